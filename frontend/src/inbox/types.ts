/** What the view knows of the data layer, and all that it knows. */

export interface Filter {
  readonly unread: boolean;
  readonly archived: boolean;
  readonly category: string | null;
}

export interface Item {
  readonly id: string;
  readonly title: string;
  readonly message: string;
  readonly category: string | null;
  /** Times are RFC 3339, in UTC, with milliseconds. */
  readonly deliveredAt: string;
  readonly updatedAt: string;
  readonly readAt: string | null;
  readonly seenAt: string | null;
  readonly archivedAt: string | null;
  readonly version: number;
}

/** Exact up to 1,000; beyond it `capped`. */
export interface Count {
  readonly value: number;
  readonly capped: boolean;
}

/** Of the live connection. `refused`: the hub does not take the token, and no other could be had. */
export type Link = 'connecting' | 'live' | 'offline' | 'refused';

/** What can be shown to a reader in words: the view has a text for each. */
export type Fault = 'unreachable' | 'refused' | 'failed';

/** `operationId` is of a mark-all, `id` of one notification that was put away or taken out again. */
export interface Undoable {
  readonly operationId: string;
  readonly count: number;
  readonly what: 'allRead' | 'archived' | 'unarchived';
  readonly id: string | null;
}

/** Immutable; a new object with every change. */
export interface Snapshot {
  readonly link: Link;
  readonly filter: Filter;
  /** Newest first by (deliveredAt, id), as the filter asks, no item twice. */
  readonly items: readonly Item[];
  readonly list: 'loading' | 'ready' | 'error';
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  readonly unread: Count;
  readonly unseen: Count;
  /** Unread of each category that is known of: those given in the options, and those of items met. */
  readonly categories: ReadonlyMap<string, Count>;
  /** The last action or page that failed; null once something succeeds. */
  readonly fault: Fault | null;
  /** The last mark-all or archiving, while it can be taken back. */
  readonly undoable: Undoable | null;
}

export interface Options {
  /** The hub's address, such as `https://hub.example`; '' is the page's own origin. */
  readonly endpoint: string;
  readonly userId: string;
  /** Gives a token that is valid now; asked at the start, before one ends, and whenever one was refused. Null: the hub needs none. */
  readonly token: () => Promise<string | null>;
  readonly categories: readonly string[];
  readonly pageSize: number;
}

/**
 * Events: `change` (the snapshot is another one), `arrived` (CustomEvent<Item>: an item that was not there before, told by
 * the stream and not by a listing; every tab tells its own).
 * Actions show at once, are taken back if the hub refuses, and never throw: they set `fault`.
 */
export interface InboxStore extends EventTarget {
  readonly snapshot: Snapshot;
  start(): void;
  /** Closes socket, timers and channels. May be started again. */
  stop(): void;
  setFilter(filter: Filter): void;
  loadMore(): Promise<void>;
  /** Lists afresh: after an error, at the reader's wish. */
  reload(): Promise<void>;
  markRead(id: string): Promise<void>;
  markUnread(id: string): Promise<void>;
  archive(id: string): Promise<void>;
  unarchive(id: string): Promise<void>;
  /** Of the filter's category, up to the newest item on screen. */
  markAllRead(): Promise<void>;
  /** Everything on screen was seen: the panel is open. */
  markAllSeen(): Promise<void>;
  undo(): Promise<void>;
}

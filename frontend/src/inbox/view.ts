import type { Filter, Item, Snapshot, Undoable } from './types';
import type { Words } from './words';

/** By which one act is told from another. */
export function keyOf(act: Undoable | null): string {
  return act ? `${act.what} ${act.operationId} ${act.id}` : '';
}

/** What the templates show. */
export interface View {
  readonly snapshot: Snapshot;
  readonly words: Words;
  readonly counts: 'unread' | 'unseen';
  readonly open: boolean;
  /** Milliseconds since the epoch; as new as times on screen have to be. */
  readonly now: number;
  /** The item that Tab reaches. */
  readonly current: string | null;
  /** Items whose whole message is shown. */
  readonly expanded: ReadonlySet<string>;
  /** Whether pages come by scrolling. */
  readonly scrolls: boolean;
  /** The act whose undo bar the reader has put away. */
  readonly dismissed: string;
}

/** What a reader can do. */
export interface Acts {
  readonly toggling: (event: ToggleEvent) => void;
  readonly toggled: (event: ToggleEvent) => void;
  readonly close: () => void;
  readonly keyOnPanel: (event: KeyboardEvent) => void;
  readonly keyOnTabs: (event: KeyboardEvent) => void;
  readonly filter: (part: Partial<Filter>) => void;
  readonly activate: (item: Item) => void;
  readonly reach: (item: Item) => void;
  readonly toggleRead: (item: Item) => void;
  readonly toggleArchived: (item: Item) => void;
  readonly markAllRead: () => void;
  readonly undo: () => void;
  readonly dismiss: () => void;
  readonly retry: () => void;
  readonly loadMore: () => void;
}

/** Before there is a store. */
export const NOTHING_YET: Snapshot = {
  link: 'connecting',
  filter: { unread: false, archived: false, category: null },
  items: [],
  list: 'loading',
  hasMore: false,
  loadingMore: false,
  unread: { value: 0, capped: false },
  unseen: { value: 0, capped: false },
  categories: new Map(),
  fault: null,
  undoable: null,
};

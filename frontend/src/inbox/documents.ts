import archive from '../../../graphql/operations/archive_notification.graphql?raw';
import inbox from '../../../graphql/operations/inbox.graphql?raw';
import counts from '../../../graphql/operations/inbox_counts.graphql?raw';
import events from '../../../graphql/operations/inbox_events.graphql?raw';
import markAllRead from '../../../graphql/operations/mark_all_read.graphql?raw';
import markAllSeen from '../../../graphql/operations/mark_all_seen.graphql?raw';
import markRead from '../../../graphql/operations/mark_read.graphql?raw';
import markUnread from '../../../graphql/operations/mark_unread.graphql?raw';
import unarchive from '../../../graphql/operations/unarchive_notification.graphql?raw';
import undoMarkAll from '../../../graphql/operations/undo_mark_all.graphql?raw';

/** All that the inbox asks of a hub: the very files, as a hub that runs trusted documents alone knows them by their hash. */
export const documents = {
  archive,
  counts,
  events,
  inbox,
  markAllRead,
  markAllSeen,
  markRead,
  markUnread,
  unarchive,
  undoMarkAll,
};

/** What names a document to a hub, over HTTP and over a socket. */
export interface Named {
  readonly query?: string;
  readonly documentId?: string;
}

const ONLY_TRUSTED = 'Only trusted documents are run';

/**
 * How a hub wants documents to be named: by their texts, or where it runs trusted ones alone by the SHA-256 of their texts.
 * That can only be found out by asking: each is refused where the other is wanted. Hashing needs a secure context.
 */
export class Naming {
  #byHash = false;

  async of(text: string): Promise<Named> {
    return this.#byHash ? { documentId: `sha256:${await sha256(text)}` } : { query: text };
  }

  /** Whether a refusal said that documents must be named otherwise; from now on they are. */
  learn(code: string, message: string): boolean {
    if (this.#byHash || code !== 'PERMISSION_DENIED' || !message.startsWith(ONLY_TRUSTED) || !canHash()) return false;
    this.#byHash = true;
    return true;
  }
}

/** Browsers hash in secure contexts only. */
export function canHash(): boolean {
  return globalThis.crypto?.subtle !== undefined;
}

/** In hex, as the hub's own manifest has it. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

import type { Filter } from './types';

/** A number as a reader sees it, and what the grammar of their language wants to know of it. */
export interface Shown {
  readonly value: number;
  /** In the locale's digits; "1,000+" where there are more than were counted. */
  readonly shown: string;
  /** Of Intl.PluralRules for the locale. */
  readonly plural: Intl.LDMLPluralRule;
}

/** Every word of the component. `Inbox.texts` replaces any part of them. */
export interface Texts {
  /** Of the panel. */
  readonly title: string;
  /** Names of the bell, for those who hear it. */
  readonly bellUnread: (count: Shown) => string;
  readonly bellUnseen: (count: Shown) => string;
  readonly bellNone: string;
  readonly bellOffline: (name: string) => string;
  /** A count beyond which nobody counted. */
  readonly capped: (number: string) => string;
  readonly close: string;
  /** Of the row of tabs. */
  readonly filters: string;
  readonly all: string;
  readonly unread: string;
  readonly archived: string;
  readonly category: string;
  readonly allCategories: string;
  readonly categoryUnread: (category: string, count: Shown) => string;
  readonly markAllRead: string;
  readonly markRead: string;
  readonly markUnread: string;
  readonly archive: string;
  readonly unarchive: string;
  /** Name of a button of one item. */
  readonly actionOn: (action: string, title: string) => string;
  /** Said before the title of what was not read. */
  readonly isUnread: string;
  readonly undo: string;
  readonly dismiss: string;
  readonly retry: string;
  readonly loadMore: string;
  readonly loading: string;
  readonly allWereRead: (count: Shown) => string;
  readonly wasArchived: string;
  readonly wasUnarchived: string;
  readonly wasUndone: string;
  /** Said when items come in; `title` is the newest one's. */
  readonly arrived: (count: Shown, title: string) => string;
  readonly empty: string;
  readonly emptyHint: string;
  readonly emptyUnread: string;
  readonly emptyUnreadHint: string;
  readonly emptyArchived: string;
  readonly emptyArchivedHint: string;
  readonly offline: string;
  readonly signedOut: string;
  readonly unreachable: string;
  readonly refused: string;
  readonly failed: string;
}

const noun = ({ shown, plural }: Shown) => `${shown} ${plural === 'one' ? 'notification' : 'notifications'}`;

export const english: Texts = {
  title: 'Notifications',
  bellUnread: ({ shown }) => `Notifications, ${shown} unread`,
  bellUnseen: ({ shown }) => `Notifications, ${shown} new`,
  bellNone: 'Notifications',
  bellOffline: (name) => `${name}, not connected`,
  capped: (number) => `${number}+`,
  close: 'Close',
  filters: 'Show',
  all: 'All',
  unread: 'Unread',
  archived: 'Archived',
  category: 'Category',
  allCategories: 'All categories',
  categoryUnread: (category, { shown }) => `${category} (${shown})`,
  markAllRead: 'Mark all as read',
  markRead: 'Mark as read',
  markUnread: 'Mark as unread',
  archive: 'Archive',
  unarchive: 'Move to inbox',
  actionOn: (action, title) => `${action}: ${title}`,
  isUnread: 'Unread',
  undo: 'Undo',
  dismiss: 'Dismiss',
  retry: 'Try again',
  loadMore: 'Load more',
  loading: 'Loading',
  allWereRead: (count) => `${noun(count)} marked as read`,
  wasArchived: 'Archived',
  wasUnarchived: 'Moved to inbox',
  wasUndone: 'Undone',
  arrived: (count, title) => (count.value === 1 ? `New notification: ${title}` : `${count.shown} new notifications`),
  empty: 'Nothing here yet',
  emptyHint: 'What concerns you will appear here by itself.',
  emptyUnread: 'You are all caught up',
  emptyUnreadHint: 'Everything has been read.',
  emptyArchived: 'Nothing archived',
  emptyArchivedHint: 'What you put away is kept here.',
  offline: 'Not connected. This list may be out of date; it will catch up by itself.',
  signedOut: 'Your sign-in is not accepted any more.',
  unreachable: 'The server does not answer.',
  refused: 'You are not allowed to do that.',
  failed: 'That did not work.',
};

/** What to say where a list has nothing to show. */
export function emptyTexts(texts: Texts, filter: Filter): readonly [string, string] {
  if (filter.archived) return [texts.emptyArchived, texts.emptyArchivedHint];
  if (filter.unread) return [texts.emptyUnread, texts.emptyUnreadHint];
  return [texts.empty, texts.emptyHint];
}

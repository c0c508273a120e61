import type { Fault, Item } from './types';

/** A place in the order of an inbox. */
export interface Place {
  readonly deliveredAt: string;
  readonly id: string;
}

/** Below zero if `a` is newer: times are all of one form and ids lower-case hex, so that texts compare as what they mean. */
export function newestFirst(a: Place, b: Place): number {
  if (a.deliveredAt !== b.deliveredAt) return a.deliveredAt > b.deliveredAt ? -1 : 1;
  return a.id === b.id ? 0 : a.id > b.id ? -1 : 1;
}

/** Unread and unseen items, as the hub tells them in a list or with the counts. */
export interface Totals {
  readonly unread: number;
  readonly unreadCapped: boolean;
  readonly unseen: number;
  readonly unseenCapped: boolean;
}

export type Kind = 'CHANGED' | 'REMOVED' | 'ALL_READ' | 'ALL_SEEN' | 'RESYNC' | 'HEARTBEAT';

/** An event of the inbox's stream. */
export interface InboxEvent {
  readonly kind: Kind;
  readonly cursor: string;
  readonly unreadCount: number;
  readonly unreadCountCapped: boolean;
  readonly unseenCount: number;
  readonly unseenCountCapped: boolean;
  readonly notification: Item | null;
  readonly upTo: Place | null;
  readonly category: string | null;
  readonly markedAt: string | null;
}

/** What a mark of one notification answers. */
export type Marked = Pick<Item, 'id' | 'readAt' | 'seenAt' | 'archivedAt' | 'updatedAt' | 'version'>;

/** What marking all answers. */
export interface MarkedAll {
  readonly count: number;
  readonly operationId: string | null;
}

/** An item with the cursor of its place in the list. */
export interface Listed {
  readonly item: Item;
  readonly cursor: string;
}

export interface Page {
  readonly items: readonly Listed[];
  readonly hasMore: boolean;
  /** Only where they were asked for. */
  readonly totals: Totals | null;
}

/** Why the hub, or the network before it, did not do what was asked. */
export class Refusal extends Error {
  constructor(
    readonly fault: Fault,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** An error as GraphQL sends it. */
export interface WireError {
  readonly message: string;
  readonly extensions?: { readonly code?: string; readonly reason?: string };
}

const FAULTS: Readonly<Record<string, Fault>> = {
  UNAUTHENTICATED: 'refused',
  PERMISSION_DENIED: 'refused',
  UNAVAILABLE: 'unreachable',
  DEADLINE_EXCEEDED: 'unreachable',
};

export function refusalOf(error: WireError): Refusal {
  const code = error.extensions?.code ?? 'UNKNOWN';
  return new Refusal(FAULTS[code] ?? 'failed', code, error.message);
}

export function faultOf(error: unknown): Fault {
  return error instanceof Refusal ? error.fault : 'failed';
}

import { type Entry, Known } from './known';
import type { Filter, Item } from './types';
import { type InboxEvent, type Listed, type Marked, newestFirst, type Place } from './wire';

const MOST_KNOWN = 5_000;
const MOST_MARKS = 100;
const FRESH_MS = 60_000;

/** An action that the hub has not answered yet: how it makes an item look. The same object for one that it leaves alone. */
export type Patch = (item: Item) => Item;

/** A mark-all that the stream told of, and when, by the model's clock. */
interface Told {
  readonly event: InboxEvent;
  readonly at: number;
}

/** How an item was and is; undefined where it is not known, or in neither inbox nor archive. */
export interface Step {
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

export const isUnread = (item: Item): boolean => item.readAt === null && item.archivedAt === null;
/** What is read was seen. */
export const isUnseen = (item: Item): boolean => isUnread(item) && item.seenAt === null;

/**
 * What one tab knows of an inbox, and what of it a filter shows.
 *
 * Everything that is learnt of a notification is kept by id, and a version never gives way to an older one. The list is
 * derived: all that is known, fits the filter and lies at or above the floor, which is the end of what was listed. Listing
 * told what is above the floor at one moment and the stream tells all that changes after it, of items above and below, so
 * the list can neither have holes nor show an item twice.
 */
export class Model {
  filter: Filter = { unread: false, archived: false, category: null };
  #known = new Known();
  /** Undefined: nothing is listed yet. Null: everything is. */
  #floor: Place | null | undefined;
  #clock = 0;
  #marks: Told[] = [];
  #patches = new Set<Patch>();
  #newest: Place | null = null;

  /** A moment, to be handed back with what was asked for at that moment. */
  now(): number {
    return this.#clock;
  }

  get listed(): boolean {
    return this.#floor !== undefined;
  }

  get hasMore(): boolean {
    return this.#floor !== undefined && this.#floor !== null;
  }

  /** Shows another part; nothing of it until it is listed. */
  choose(filter: Filter): void {
    this.filter = filter;
    this.#floor = undefined;
  }

  patch(patch: Patch): () => void {
    this.#patches.add(patch);
    return () => this.#patches.delete(patch);
  }

  get(id: string): Entry | undefined {
    return this.#known.get(id);
  }

  /** As it looks with the actions under way. */
  look(item: Item): Item {
    let looks = item;
    for (const patch of this.#patches) looks = patch(looks);
    return looks;
  }

  shown(): Item[] {
    const items: Item[] = [];
    for (const entry of this.#known) {
      if (!this.#isAbove(entry.item)) break;
      const item = this.look(entry.item);
      if (!entry.gone && this.#fits(item)) items.push(item);
    }
    return items;
  }

  /** What is known, without the actions under way. */
  present(isMeant: (item: Item) => boolean): Item[] {
    return [...this.#known].filter(({ item, gone }) => !gone && isMeant(item)).map(({ item }) => item);
  }

  /** The items that actions under way make look otherwise. */
  *patched(): Iterable<Step> {
    if (this.#patches.size === 0) return;
    for (const { item, gone } of this.#known) {
      const after = this.look(item);
      if (!gone && after !== item) yield { before: item, after };
    }
  }

  categories(): Set<string> {
    const met = new Set<string>();
    for (const { item } of this.#known) if (item.category !== null) met.add(item.category);
    return met;
  }

  /** What a stream's event changes. */
  event(event: InboxEvent): Step[] {
    this.#clock += 1;
    switch (event.kind) {
      case 'CHANGED':
        return event.notification === null ? [] : this.#told(event.notification, event.cursor);
      case 'REMOVED':
        return event.notification === null ? [] : this.#removed(event.notification, event.cursor);
      case 'ALL_READ':
      case 'ALL_SEEN':
        return this.#markedAll(event);
      default:
        return [];
    }
  }

  /** Whether an item has just arrived: it is newer than all that was ever known. Asked before its event is applied. */
  isArrival(item: Item): boolean {
    if (this.#known.get(item.id) !== undefined || !isUnread(item)) return false;
    // What a filter left out may be newer than all that is known, and be marked unread much later.
    const isFresh = Date.parse(item.updatedAt) - Date.parse(item.deliveredAt) < FRESH_MS;
    return isFresh && (this.#newest === null || newestFirst(item, this.#newest) < 0);
  }

  /** What a mark answered, in this tab or another. */
  answer(marked: Marked): Step[] {
    const entry = this.#known.get(marked.id);
    if (entry === undefined || entry.item.version >= marked.version) return [];
    this.#clock += 1;
    return this.#put({ ...entry.item, ...marked }, entry.gone, entry.cursor);
  }

  /**
   * A mark-all was done when these versions were the present ones. An item with a later version is left alone: whether that
   * came before the mark or after it, the stream's event says.
   */
  markedAll(versions: ReadonlyMap<string, number>, mark: Patch): Step[] {
    this.#clock += 1;
    const steps = [];
    for (const [id, version] of versions) {
      const entry = this.#known.get(id);
      if (entry !== undefined && entry.item.version === version) steps.push(...this.#rewrite(entry, mark(entry.item)));
    }
    return steps;
  }

  /** Takes over a list that was asked for at `since`, in one step. */
  replace(listed: readonly Listed[], floor: Place | null, since: number): void {
    this.#floor = floor;
    this.#list(listed, since, () => true);
    this.#forget();
  }

  /** Adds the next page, asked for at `since`. */
  extend(listed: readonly Listed[], floor: Place | null, since: number): void {
    const old = this.#floor;
    this.#floor = floor;
    this.#list(listed, since, (place) => old != null && newestFirst(place, old) > 0);
  }

  #list(listed: readonly Listed[], since: number, isMeant: (place: Place) => boolean): void {
    this.#clock += 1;
    const ids = new Set(listed.map(({ item }) => item.id));
    // What should be there and is not has gone unnoticed; but for what changed while the list was on its way.
    const stale = [...this.#known].filter(
      ({ item, gone, told }) =>
        told <= since && !ids.has(item.id) && !gone && isMeant(item) && this.#isAbove(item) && this.#fits(item),
    );
    for (const { item } of stale) this.#known.delete(item.id);
    for (const { item, cursor } of listed) {
      const known = this.#known.get(item.id);
      const isNews = known === undefined || known.item.version < item.version;
      const isUntouched = known !== undefined && known.touched <= since && known.item.version === item.version;
      // The place in the list is the better cursor in any case.
      if (isNews || isUntouched) this.#put(this.#marked(item, since), false, cursor);
      else this.#known.put({ ...known, cursor });
    }
  }

  /** An item of an answer that may be older than the mark-alls that were told of while it was on its way. */
  #marked(item: Item, since: number): Item {
    let looks = item;
    for (const { event, at } of this.#marks) {
      // Of the very same moment it is after the mark: else the list would have been read within a millisecond.
      if (at > since && item.updatedAt !== event.markedAt) looks = marking(event)(looks);
    }
    return looks;
  }

  #told(item: Item, cursor: string): Step[] {
    const entry = this.#known.get(item.id);
    if (entry !== undefined && entry.item.version >= item.version) return [];
    return this.#put(item, false, entry?.cursor ?? cursor);
  }

  #removed(item: Item, cursor: string): Step[] {
    const entry = this.#known.get(item.id);
    // Of one version being in the inbox comes first: it leaves by expiring too, which changes nothing else.
    if (entry !== undefined && entry.item.version > item.version) return [];
    return this.#put(item, item.archivedAt === null, entry?.cursor ?? cursor);
  }

  #markedAll(event: InboxEvent): Step[] {
    this.#marks = [...this.#marks.slice(1 - MOST_MARKS), { event, at: this.#clock }];
    const mark = marking(event);
    return [...this.#known].flatMap((entry) => this.#rewrite(entry, mark(entry.item)));
  }

  /** Something that is true of an item although its version is not known yet. */
  #rewrite(entry: Entry, item: Item): Step[] {
    return entry.gone || item === entry.item ? [] : this.#put(item, false, entry.cursor, entry.told);
  }

  #put(item: Item, gone: boolean, cursor: string, told = this.#clock): Step[] {
    const known = this.#known.get(item.id);
    this.#known.put({ item, gone, cursor, told, touched: this.#clock });
    if (this.#newest === null || newestFirst(item, this.#newest) < 0) this.#newest = item;
    return [{ before: known?.gone === false ? known.item : undefined, after: gone ? undefined : item }];
  }

  #isAbove(place: Place): boolean {
    return this.#floor === null || (this.#floor !== undefined && newestFirst(place, this.#floor) <= 0);
  }

  #fits(item: Item): boolean {
    const { unread, archived, category } = this.filter;
    if ((item.archivedAt !== null) !== archived || (unread && item.readAt !== null)) return false;
    return category === null || item.category === category;
  }

  /** What is below the floor is listed again when it is scrolled to. Only after a listing: none is on its way then. */
  #forget(): void {
    if (this.#known.size <= MOST_KNOWN) return;
    for (const { item } of [...this.#known].slice(MOST_KNOWN)) if (!this.#isAbove(item)) this.#known.delete(item.id);
  }
}

/** ALL_READ and ALL_SEEN as the contract has them: up to the place, of the category, and not updated since. */
function marking(event: InboxEvent): Patch {
  const { upTo, category, markedAt } = event;
  if (upTo === null || markedAt === null) return (item) => item;
  const mark = event.kind === 'ALL_READ' ? readAt(markedAt) : seenAt(markedAt);
  return (item) => {
    const isMeant = (category === null || item.category === category) && newestFirst(item, upTo) >= 0;
    return isMeant && item.archivedAt === null && item.updatedAt <= markedAt ? mark(item) : item;
  };
}

export function readAt(moment: string): Patch {
  return (item) => (item.readAt === null ? { ...item, readAt: moment, seenAt: item.seenAt ?? moment } : item);
}

export function seenAt(moment: string): Patch {
  return (item) => (item.seenAt === null && item.readAt === null ? { ...item, seenAt: moment } : item);
}

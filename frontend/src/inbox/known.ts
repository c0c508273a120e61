import type { Item } from './types';
import { newestFirst, type Place } from './wire';

export interface Entry {
  readonly item: Item;
  /** It is neither in the inbox nor in the archive. Kept so that an older answer does not bring it back. */
  readonly gone: boolean;
  /** Up to where a mark-all goes that is to take in this item and nothing newer. */
  readonly cursor: string;
  /** When the hub last said of this very item where it is, by the model's clock. */
  readonly told: number;
  /** When the entry was last written: also by a mark of many, which says nothing of any one. */
  readonly touched: number;
}

/** What is known of notifications, whether a filter shows them or not, newest first. */
export class Known {
  readonly #entries = new Map<string, Entry>();
  readonly #order: Entry[] = [];

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  get size(): number {
    return this.#order.length;
  }

  /** Not to be written to while it is gone through. */
  [Symbol.iterator](): Iterator<Entry> {
    return this.#order[Symbol.iterator]();
  }

  put(entry: Entry): void {
    const known = this.#entries.get(entry.item.id);
    this.#entries.set(entry.item.id, entry);
    if (known === undefined) {
      this.#order.splice(this.#index(entry.item), 0, entry);
    } else if (newestFirst(known.item, entry.item) === 0) {
      this.#order[this.#index(known.item)] = entry;
    } else {
      this.#order.splice(this.#index(known.item), 1);
      this.#order.splice(this.#index(entry.item), 0, entry);
    }
  }

  delete(id: string): void {
    const known = this.#entries.get(id);
    if (known === undefined) return;
    this.#entries.delete(id);
    this.#order.splice(this.#index(known.item), 1);
  }

  /** Where an item is, or would be. */
  #index(place: Place): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (newestFirst((this.#order[middle] as Entry).item, place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

import { type Counted, MOST_CATEGORIES } from './api';
import { isUnread, isUnseen, type Step } from './model';
import type { Count } from './types';
import type { InboxEvent, Totals } from './wire';

export interface Numbers {
  readonly unread: Count;
  readonly unseen: Count;
  readonly categories: ReadonlyMap<string, Count>;
}

const NONE: Count = { value: 0, capped: false };

const count = (value: number, capped: boolean): Count => ({ value, capped });

/** What is beyond a thousand can't be told by adding to it. */
function plus(to: Count, more: number): Count {
  return to.capped || more === 0 ? to : count(Math.max(0, to.value + more), false);
}

/** What changed items add to the numbers, in advance of the hub's own word. */
export function moved(numbers: Numbers, steps: Iterable<Step>): Numbers {
  let { unread, unseen } = numbers;
  const categories = new Map(numbers.categories);
  for (const { before, after } of steps) {
    const more = of(after, isUnread) - of(before, isUnread);
    unread = plus(unread, more);
    unseen = plus(unseen, of(after, isUnseen) - of(before, isUnseen));
    const category = (after ?? before)?.category ?? null;
    const known = category === null ? undefined : categories.get(category);
    if (category !== null && known !== undefined) categories.set(category, plus(known, more));
  }
  return { unread, unseen, categories };
}

function of(item: Step['before'], is: typeof isUnread): number {
  return item !== undefined && is(item) ? 1 : 0;
}

/** The numbers once so many items of a category, or with null of any, are read: all of them unless it is said how many. */
export function allRead(numbers: Numbers, category: string | null, many?: number): Numbers {
  const known = category === null ? numbers.unread : (numbers.categories.get(category) ?? NONE);
  const less = -(many ?? known.value);
  const unread = many === undefined && category === null ? NONE : plus(numbers.unread, known.capped ? 0 : less);
  const changes = (one: string): boolean => category === one || (category === null && many === undefined);
  const categories = [...numbers.categories].map(([one, count]): [string, Count] => [one, changes(one) ? NONE : count]);
  return { unread, unseen: least(numbers.unseen, unread), categories: new Map(categories) };
}

/** The numbers once so many items are seen, or all of them. */
export function allSeen(numbers: Numbers, many?: number): Numbers {
  return { ...numbers, unseen: many === undefined ? NONE : plus(numbers.unseen, -many) };
}

/** The numbers once so many items are unread again. */
export function notRead(numbers: Numbers, many: number): Numbers {
  return { ...numbers, unread: plus(numbers.unread, many) };
}

const least = (a: Count, b: Count): Count => (b.capped || (!a.capped && a.value <= b.value) ? a : b);

/**
 * The hub's own numbers. Each event carries those of all, of the moment or later; by category they are asked for after changes.
 * What is learnt of single items in between moves them, and the next word of the hub puts them right.
 */
export class Counts {
  numbers: Numbers = { unread: NONE, unseen: NONE, categories: new Map() };
  #clock = 0;

  now(): number {
    return this.#clock;
  }

  event(event: InboxEvent, steps: readonly Step[]): void {
    this.#clock += 1;
    this.numbers = {
      ...moved(this.numbers, steps),
      unread: count(event.unreadCount, event.unreadCountCapped),
      unseen: count(event.unseenCount, event.unseenCountCapped),
    };
  }

  /** What an action's answer changes, if no event was there first. */
  change(numbers: Numbers): void {
    this.#clock += 1;
    this.numbers = numbers;
  }

  /** From an answer to what was asked at `since`: what was told meanwhile may be newer. */
  totals(totals: Totals, since: number): void {
    if (this.#clock !== since) return;
    const { unread, unreadCapped, unseen, unseenCapped } = totals;
    this.numbers = { ...this.numbers, unread: count(unread, unreadCapped), unseen: count(unseen, unseenCapped) };
  }

  /** Takes up further categories, as many as can be asked for at once; nothing is known of them yet. */
  know(categories: Iterable<string>): void {
    const all = new Map(this.numbers.categories);
    for (const one of categories) if (!all.has(one) && all.size < MOST_CATEGORIES) all.set(one, NONE);
    if (all.size > this.numbers.categories.size) this.numbers = { ...this.numbers, categories: all };
  }

  byCategory(counted: Counted): void {
    const categories = new Map(this.numbers.categories);
    for (const { category, unread, unreadCapped } of counted.categories) categories.set(category, count(unread, unreadCapped));
    this.numbers = { ...this.numbers, categories };
  }
}

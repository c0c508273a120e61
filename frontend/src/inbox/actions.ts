import type { Api, Mark } from './api';
import { allRead, allSeen, type Counts, moved, notRead, type Numbers } from './counts';
import { isUnread, isUnseen, type Model, type Patch, readAt, seenAt, type Step } from './model';
import type { Done } from './tabs';
import type { Item, Undoable } from './types';
import { type InboxEvent, type Marked, newestFirst, Refusal } from './wire';

const UNDONE_WITHIN_MS = 600_000;

interface Told {
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  readonly succeeded: () => void;
  /** For the other tabs. */
  readonly marked: (marked: Marked) => void;
  readonly done: (done: Done) => void;
  readonly list: () => Promise<void>;
}

/** What an action is thought to do to the numbers, until the hub's own word of it is here. */
interface Guess {
  readonly kind: InboxEvent['kind'];
  readonly category: string | null;
  readonly numbers: (numbers: Numbers) => Numbers;
  isSettled: boolean;
}

const now = (): string => new Date().toISOString();

const LOOKS: Readonly<Record<Mark, (moment: string) => Patch>> = {
  markRead: readAt,
  markUnread: () => (item) => (item.readAt === null ? item : { ...item, readAt: null, seenAt: item.seenAt ?? item.readAt }),
  archive: (moment) => (item) => (item.archivedAt === null ? { ...item, archivedAt: moment } : item),
  unarchive: () => (item) => (item.archivedAt === null ? item : { ...item, archivedAt: null }),
};

const OPPOSITE: Readonly<Partial<Record<Mark, Undoable['what']>>> = { archive: 'archived', unarchive: 'unarchived' };

/** What a reader does: shown at once, done one after the other, and taken back if the hub refuses. */
export class Actions {
  undoable: Undoable | null = null;
  #guesses = new Set<Guess>();
  #last: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How the items were that the undoable mark-all changed. */
  #before: ReadonlyMap<string, Item> = new Map();
  #seenUpTo: string | null = null;

  constructor(
    private readonly api: Api,
    private readonly model: Model,
    private readonly counts: Counts,
    private readonly told: Told,
  ) {}

  stop(): void {
    clearTimeout(this.#timer);
    this.undoable = null;
  }

  /** The numbers as they look with all that is under way. */
  predicted(): Numbers {
    let numbers = this.counts.numbers;
    let isGuessed = false;
    for (const guess of this.#guesses) {
      isGuessed = true;
      if (!guess.isSettled) numbers = guess.numbers(numbers);
    }
    // A mark-all takes in single ones: to count both would count some twice. The hub's next word is right anyway.
    return isGuessed ? numbers : moved(numbers, this.model.patched());
  }

  /** The numbers of this event know what was guessed. */
  event({ kind, category }: InboxEvent): void {
    for (const guess of this.#guesses) if (guess.kind === kind && guess.category === category) guess.isSettled = true;
  }

  mark(mark: Mark, id: string, isUndo = false): Promise<void> {
    const looks = LOOKS[mark](now());
    return this.#act((item) => (item.id === id ? looks(item) : item), null, async () => {
      const marked = await this.api.mark(mark, id);
      this.learn(this.model.answer(marked));
      this.told.marked(marked);
      const what = OPPOSITE[mark];
      if (what !== undefined && !isUndo) this.#offer({ operationId: '', count: 1, what, id });
    });
  }

  /** From an answer in this tab or another: no event told of it yet. */
  learn(steps: readonly Step[]): void {
    if (steps.length > 0) this.counts.change(moved(this.counts.numbers, steps));
  }

  markAllRead(): Promise<void> {
    const place = this.#newest();
    if (place === null) return Promise.resolve();
    const { category } = this.model.filter;
    const [isMeant, mark] = [this.#meant(place.item, isUnread), readAt(now())];
    const guess = this.#guess('ALL_READ', category, (numbers) => allRead(numbers, category));
    return this.#act((item) => (isMeant(item) ? mark(item) : item), guess, async () => {
      const before = this.#present(isMeant);
      const { count, operationId } = await this.api.markAllRead(place.cursor, category);
      this.#done({ kind: 'read', at: now(), versions: versionsOf(before) });
      if (!guess.isSettled) this.counts.change(allRead(this.counts.numbers, category, count));
      if (operationId === null) return;
      this.#before = before;
      this.#offer({ operationId, count, what: 'allRead', id: null });
    });
  }

  markAllSeen(): Promise<void> {
    const place = this.#newest();
    if (place === null || !this.#isWorthSeeing(place.cursor)) return Promise.resolve();
    const { category } = this.model.filter;
    const [isMeant, mark] = [this.#meant(place.item, isUnseen), seenAt(now())];
    const unseen = this.#present(isMeant).size;
    const guess = this.#guess('ALL_SEEN', category, (numbers) => allSeen(numbers, category === null ? undefined : unseen));
    return this.#act((item) => (isMeant(item) ? mark(item) : item), guess, async () => {
      const before = this.#present(isMeant);
      const { count } = await this.api.markAllSeen(place.cursor, category);
      this.#seenUpTo = place.cursor;
      this.#done({ kind: 'seen', at: now(), versions: versionsOf(before) });
      if (!guess.isSettled) this.counts.change(allSeen(this.counts.numbers, count));
    });
  }

  undo(): Promise<void> {
    const { undoable } = this;
    if (undoable === null) return Promise.resolve();
    this.#offer(null);
    if (undoable.id !== null) return this.mark(undoable.what === 'archived' ? 'unarchive' : 'archive', undoable.id, true);
    const before = this.#before;
    const guess = this.#guess('RESYNC', null, (numbers) => notRead(numbers, undoable.count));
    const restore: Patch = (item) => {
      const was = before.get(item.id);
      return was === undefined || item.readAt === null ? item : { ...item, readAt: was.readAt, seenAt: was.seenAt };
    };
    return this.#act(restore, guess, async () => {
      try {
        await this.api.undoMarkAll(undoable.operationId);
      } catch (error) {
        // Not for good, then it can still be tried.
        if (error instanceof Refusal && error.fault === 'unreachable' && this.undoable === null) this.#offer(undoable);
        throw error;
      }
      // Which items it restored only a list can tell.
      await this.told.list();
    });
  }

  /** What another tab has done. */
  hear({ kind, at, versions }: Done): void {
    this.model.markedAll(versions, kind === 'read' ? readAt(at) : seenAt(at));
  }

  #done(done: Done): void {
    this.hear(done);
    this.told.done(done);
  }

  async #act(patch: Patch, guess: Guess | null, work: () => Promise<void>): Promise<void> {
    const unpatch = this.model.patch(patch);
    if (guess !== null) this.#guesses.add(guess);
    this.told.changed();
    const mine = this.#last.then(work).then(
      () => this.told.succeeded(),
      (error: unknown) => this.told.failed(error),
    );
    this.#last = mine;
    await mine;
    unpatch();
    if (guess !== null) this.#guesses.delete(guess);
    this.told.changed();
  }

  #guess(kind: Guess['kind'], category: string | null, numbers: Guess['numbers']): Guess {
    return { kind, category, numbers, isSettled: false };
  }

  /** The newest item on screen. Marking all speaks of the inbox, never of the archive. */
  #newest(): { readonly item: Item; readonly cursor: string } | null {
    const [item] = this.model.filter.archived ? [] : this.model.shown();
    const entry = item === undefined ? undefined : this.model.get(item.id);
    return entry === undefined ? null : { item: entry.item, cursor: entry.cursor };
  }

  /** The panel asks again and again; below what is on screen there may be more that is unseen, but not again after it was marked. */
  #isWorthSeeing(cursor: string): boolean {
    if (this.model.shown().some(isUnseen)) return true;
    return this.model.filter.category === null && this.predicted().unseen.value > 0 && this.#seenUpTo !== cursor;
  }

  #meant(newest: Item, is: typeof isUnread): (item: Item) => boolean {
    const { category } = this.model.filter;
    return (item) => is(item) && (category === null || item.category === category) && newestFirst(item, newest) >= 0;
  }

  #present(isMeant: (item: Item) => boolean): Map<string, Item> {
    return new Map(this.model.present(isMeant).map((item) => [item.id, item]));
  }

  #offer(undoable: Undoable | null): void {
    clearTimeout(this.#timer);
    this.undoable = undoable;
    if (undoable === null) return;
    this.#timer = setTimeout(() => {
      this.undoable = null;
      this.told.changed();
    }, UNDONE_WITHIN_MS);
  }
}

function versionsOf(items: ReadonlyMap<string, Item>): Map<string, number> {
  return new Map([...items.values()].map(({ id, version }) => [id, version]));
}

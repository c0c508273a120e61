import type { Api } from './api';
import type { Counts } from './counts';
import type { Model } from './model';
import { delayOf } from './pause';
import type { Filter } from './types';
import type { Listed, Page, Place } from './wire';

const LARGEST_PAGE = 100;

interface Told {
  /** The list, or what is known of its loading, is another. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  readonly succeeded: () => void;
  /** There is a list from the top, or a page more of it. */
  readonly listed: () => void;
}

/** Lists the inbox: from the top, as deep as it was before, and page by page. One listing at a time. */
export class Lister {
  loadingMore = false;
  failing = false;
  /** The last page of more could not be had: it is asked for again when the reader, or the network, gives reason to. */
  isStuck = false;
  #depth: number;
  #end: string | null = null;
  #wanted = false;
  #running: Promise<void> | null = null;
  #ended = new AbortController();
  /** Counts what makes a page on its way useless. */
  #generation = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  constructor(
    private readonly api: Api,
    private readonly model: Model,
    private readonly counts: Counts,
    private readonly pageSize: number,
    private readonly told: Told,
  ) {
    this.#depth = pageSize;
  }

  /** Shows another part, from its top. */
  choose(filter: Filter): Promise<void> {
    this.model.choose(filter);
    this.#depth = this.pageSize;
    this.failing = false;
    this.#abort();
    this.told.changed();
    return this.list();
  }

  /** Lists afresh. What is asked for while a listing is on its way needs another one: it may have been read before. */
  list(): Promise<void> {
    this.#wanted = true;
    clearTimeout(this.#timer);
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Tries again at once what failed. */
  wake(): void {
    this.isStuck = false;
    if (this.#wanted && this.#running === null) void this.list();
  }

  async more(): Promise<void> {
    if (this.loadingMore) return;
    this.loadingMore = true;
    try {
      await this.#running;
      if (this.model.hasMore) await this.#more();
      this.isStuck = false;
      this.told.succeeded();
    } catch (error) {
      this.isStuck = true;
      this.told.failed(error);
    } finally {
      this.loadingMore = false;
      this.told.changed();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#wanted = false;
    this.#abort();
  }

  #abort(): void {
    this.#generation += 1;
    this.#ended.abort();
    this.#ended = new AbortController();
  }

  async #run(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      const generation = this.#generation;
      try {
        if (!(await this.#list(generation))) continue;
        this.#failures = 0;
        this.failing = false;
        this.told.listed();
        this.told.succeeded();
      } catch (error) {
        if (generation !== this.#generation) continue;
        this.#fail(error);
        return;
      }
    }
  }

  #fail(error: unknown): void {
    this.#wanted = true;
    this.failing = true;
    this.#failures += 1;
    this.#timer = setTimeout(() => this.wake(), delayOf(this.#failures));
    this.told.failed(error);
  }

  /** False if another part is to be shown meanwhile. */
  async #list(generation: number): Promise<boolean> {
    const { filter } = this.model;
    const [since, counted] = [this.model.now(), this.counts.now()];
    const wanted = Math.max(this.#depth, this.model.shown().length);
    const listed: Listed[] = [];
    let end: string | null = null;
    do {
      const first = Math.min(LARGEST_PAGE, wanted - listed.length);
      const page = await this.api.page(filter, first, end, end === null, this.#ended.signal);
      if (generation !== this.#generation) return false;
      if (page.totals !== null) this.counts.totals(page.totals, counted);
      listed.push(...page.items);
      end = endOf(page);
    } while (end !== null && listed.length < wanted);
    this.#generation += 1;
    this.#end = end;
    this.model.replace(listed, end === null ? null : placeOf(listed), since);
    return true;
  }

  async #more(): Promise<void> {
    const generation = this.#generation;
    // A listing that begins meanwhile takes this page in.
    this.#depth = Math.max(this.#depth, this.model.shown().length) + this.pageSize;
    this.told.changed();
    const since = this.model.now();
    const { filter } = this.model;
    const page = await this.api.page(filter, this.pageSize, this.#end, false, this.#ended.signal).catch((error: unknown) => {
      if (generation !== this.#generation) return null;
      throw error;
    });
    if (page === null || generation !== this.#generation) return;
    this.#end = endOf(page);
    this.model.extend(page.items, this.#end === null ? null : placeOf(page.items), since);
    this.told.listed();
  }
}

/** Where the next page begins; null at the end of the list. */
function endOf(page: Page): string | null {
  return page.hasMore ? (page.items.at(-1)?.cursor ?? null) : null;
}

function placeOf(listed: readonly Listed[]): Place | null {
  return listed.at(-1)?.item ?? null;
}

import type { Counted } from './api';

const GATHERED_MS = 300;
const AGAIN_MS = 5_000;

/** Asks for numbers by category after changes: soon, once for many, one request at a time, and never while nobody looks. */
export class Tally {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wanted = false;
  #asking: AbortController | null = null;

  constructor(
    private readonly ask: (signal: AbortSignal) => Promise<Counted>,
    private readonly tell: (counted: Counted) => void,
    private readonly isHidden: () => boolean,
  ) {}

  /** Something changed, or somebody looks again. */
  want(after = GATHERED_MS): void {
    this.#wanted = true;
    if (this.#asking !== null || this.#timer !== undefined || this.isHidden()) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, after);
  }

  /** Somebody looks again. */
  wake(): void {
    if (this.#wanted) this.want();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asking?.abort();
    this.#asking = null;
    this.#wanted = false;
  }

  async #run(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    this.#wanted = false;
    let failed = false;
    try {
      const counted = await this.ask(asking.signal);
      if (this.#asking === asking) this.tell(counted);
    } catch {
      // A number that is a little late is nothing to trouble the reader with.
      failed = true;
    }
    if (this.#asking !== asking) return;
    this.#asking = null;
    if (failed || this.#wanted) this.want(failed ? AGAIN_MS : GATHERED_MS);
  }
}

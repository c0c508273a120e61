import { Call, type Ending } from './call';
import { documents, type Naming } from './documents';
import { delayOf, Pause } from './pause';
import type { Dial } from './socket';
import type { Tokens } from './tokens';
import type { Link } from './types';
import type { InboxEvent } from './wire';

/** A connection that lived for so long was a good one. */
const GOOD_MS = 5_000;
const REFUSED_MS = 30_000;
/** What has not got through for so long is tried anew when something has changed. */
const PATIENCE_MS = 1_500;

/** What a line tells. */
export interface Listener {
  event(event: InboxEvent): void;
  link(link: Link): void;
  /** From here on all is told, but not what was before: what is listed after this is exact. */
  fresh(): void;
}

/** The live connection: it comes back by itself with the cursor of the last event, and with a new token before one ends. */
export class Line {
  /** Of the last event told. */
  cursor: string | null = null;
  #pause = new Pause();
  #run = 0;
  #failures = 0;
  #refused: string | null | undefined;
  #link: Link | null = null;
  #call: Call | null = null;

  constructor(
    private readonly url: string,
    private readonly userId: string,
    private readonly tokens: Tokens,
    private readonly naming: Naming,
    private readonly listener: Listener,
    private readonly dial: Dial,
  ) {}

  start(): void {
    this.#run += 1;
    this.#failures = 0;
    void this.#keep(this.#run);
  }

  stop(): void {
    this.#run += 1;
    this.#link = null;
    this.#call?.hangUp();
    this.#pause.cut();
  }

  /** The machine has slept, the network is another one, or somebody looks again. */
  wake(): void {
    this.#failures = 0;
    this.#pause.cut();
    this.#call?.probe(PATIENCE_MS);
  }

  async #keep(run: number): Promise<void> {
    this.#tell('connecting');
    while (run === this.#run) {
      const wait = await this.#once(run);
      if (run === this.#run && wait > 0) await this.#pause.wait(wait);
    }
  }

  /** Connects, and stays so until it ends; returns for how long to wait then. */
  async #once(run: number): Promise<number> {
    const token = await this.#token();
    const document = await this.naming.of(documents.events);
    if (run !== this.#run) return 0;
    if (token === undefined) {
      this.#failures += 1;
      this.#tell(isOffline() ? 'offline' : 'refused');
      return isOffline() ? delayOf(this.#failures) : slowly();
    }
    const { url, userId } = this;
    const event = (told: InboxEvent, isFresh: boolean): void => this.#take(told, isFresh);
    const call = new Call(this.dial, this.tokens, { url, userId, document, cursor: () => this.cursor, event }, token);
    this.#call = call;
    const ending = await call.ended;
    if (this.#call === call) this.#call = null;
    return run === this.#run ? this.#after(ending) : 0;
  }

  #after(ending: Ending): number {
    this.#refused = ending.refused ? ending.token : undefined;
    if (ending.lived >= GOOD_MS) this.#failures = 0;
    if (this.#learn(ending)) return 0;
    this.#failures += 1;
    if (ending.refused) {
      this.#tell(this.#failures > 1 ? 'refused' : 'connecting');
      // A token that has ended is no reason to wait, if it was a good one.
      return this.#failures > 1 ? slowly() : 1;
    }
    this.#tell(this.#failures > 1 || isOffline() ? 'offline' : 'connecting');
    return delayOf(this.#failures);
  }

  /** Undefined if none can be had, or none but the one that was refused. */
  async #token(): Promise<string | null | undefined> {
    try {
      return this.#refused === undefined ? await this.tokens.get() : await this.tokens.instead(this.#refused);
    } catch {
      return undefined;
    }
  }

  /** Whether the hub said how to ask otherwise, so that it can be tried at once. */
  #learn({ why }: Ending): boolean {
    if (why === null) return false;
    if (this.naming.learn(why.code, why.message)) {
      this.#refused = undefined;
      return true;
    }
    if (why.code !== 'INVALID_ARGUMENT' || this.cursor === null) return false;
    // A cursor of other data than the hub has now. Everything is listed afresh.
    this.cursor = null;
    return true;
  }

  #take(event: InboxEvent, isFresh: boolean): void {
    this.cursor = event.cursor;
    this.#failures = Math.min(this.#failures, 1);
    this.#tell('live');
    this.listener.event(event);
    if (isFresh) this.listener.fresh();
  }

  #tell(link: Link): void {
    if (link === this.#link) return;
    this.#link = link;
    this.listener.link(link);
  }
}

function slowly(): number {
  return REFUSED_MS * (0.5 + Math.random() / 2);
}

function isOffline(): boolean {
  return globalThis.navigator?.onLine === false;
}

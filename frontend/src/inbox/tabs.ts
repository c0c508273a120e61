import type { Line, Listener } from './line';
import type { Link } from './types';
import type { InboxEvent, Marked } from './wire';

/** The leader says something at least with each heartbeat of the hub. */
const SILENCE_MS = 45_000;
const ANSWER_MS = 4_000;
const LOOK_MS = 10_000;

/** A mark-all that one tab did: every other does the same to those versions. */
export interface Done {
  readonly kind: 'read' | 'seen';
  readonly at: string;
  readonly versions: ReadonlyMap<string, number>;
}

/** What tabs tell each other. `epoch` names a leader; within one, `number` goes up by one with each message of its stream. */
type Message =
  | { readonly is: 'event'; readonly epoch: string; readonly number: number; readonly event: InboxEvent }
  | { readonly is: 'fresh'; readonly epoch: string; readonly number: number }
  | { readonly is: 'state'; readonly epoch: string; readonly number: number; readonly link: Link; readonly cursor: string | null }
  | { readonly is: 'hello' }
  | { readonly is: 'wake' }
  | { readonly is: 'marked'; readonly marked: Marked }
  | { readonly is: 'done'; readonly done: Done };

export interface TabsListener extends Listener {
  marked(marked: Marked): void;
  done(done: Done): void;
}

/** Whether this browser can share a socket between tabs. */
export function canShare(): boolean {
  return typeof BroadcastChannel === 'function' && globalThis.navigator?.locks !== undefined;
}

/**
 * One socket for all tabs of one caller. Who holds the lock leads: it has the line and passes on what that tells; when its
 * tab goes, the browser gives the lock to the next.
 *
 * Nothing is missed and nothing shown twice. While one leads, its messages come to every tab in order and are numbered, and a
 * tab applies each as the leader did. A tab that joins, sees a gap in the numbers, or hears of another leader lists afresh
 * (`fresh`) once that leader's stream is live; what it lists then is at most older than what the stream tells after that. A
 * new leader goes on after the last event that it was told itself, which lies before or at the death of the old one; if it
 * was told none, it begins anew and lists. Whatever comes twice has a version that is known.
 *
 * A leader that is frozen (not every browser spares tabs with locks) does not answer: the lock is taken from it, and should
 * it wake up it follows.
 */
export class Tabs {
  #line: Line;
  #channel: BroadcastChannel | null = null;
  #letGo: (() => void) | null = null;
  #waiting = new AbortController();
  #epoch: string | null = null;
  #number = 0;
  #link: Link = 'connecting';
  /** Whether all was listed since the epoch began to be heard. */
  #isExact = false;
  #heard = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #answer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly name: string,
    private readonly listener: TabsListener,
    makeLine: (listener: Listener) => Line,
  ) {
    this.#line = makeLine({
      event: (event) => {
        listener.event(event);
        this.#say({ is: 'event', epoch: this.#leading(), number: ++this.#number, event });
      },
      fresh: () => {
        listener.fresh();
        this.#say({ is: 'fresh', epoch: this.#leading(), number: ++this.#number });
      },
      link: (link) => {
        this.#link = link;
        listener.link(link);
        this.#sayState();
      },
    });
  }

  start(): void {
    this.#channel = new BroadcastChannel(this.name);
    this.#channel.onmessage = ({ data }) => this.#hear(data as Message);
    this.#waiting = new AbortController();
    this.#heard = Date.now();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#request(false);
    this.#say({ is: 'hello' });
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#answer);
    this.#waiting.abort();
    this.#retire();
    this.#channel?.close();
    this.#channel = null;
    this.#epoch = null;
    this.#isExact = false;
  }

  wake(): void {
    if (this.#isLeader) {
      this.#line.wake();
    } else {
      this.#say({ is: 'wake' });
      this.#ask();
    }
  }

  marked(marked: Marked): void {
    this.#say({ is: 'marked', marked });
  }

  done(done: Done): void {
    this.#say({ is: 'done', done });
  }

  get #isLeader(): boolean {
    return this.#letGo !== null;
  }

  #leading(): string {
    this.#epoch ??= crypto.randomUUID();
    return this.#epoch;
  }

  /** Waits for the lock, or takes it from a leader that is not there. */
  #request(steal: boolean): void {
    const channel = this.#channel;
    const options = steal ? { steal } : { signal: this.#waiting.signal };
    let isHeld = false;
    const hold = (): Promise<void> =>
      new Promise((resolve) => {
        if (channel !== this.#channel) return resolve();
        isHeld = true;
        this.#lead(resolve);
      });
    navigator.locks.request(this.name, options, hold).catch((error: DOMException) => {
      if (channel !== this.#channel) return;
      if (error.name === 'SecurityError') {
        // Documents without an origin have no locks: each leads for itself.
        this.#lead(() => undefined);
      } else if (isHeld) {
        // Another tab has taken it.
        this.#retire();
        this.#request(false);
      }
    });
  }

  #lead(letGo: () => void): void {
    clearTimeout(this.#answer);
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#letGo?.();
    this.#letGo = letGo;
    this.#epoch = null;
    this.#number = 0;
    if (!this.#isExact) this.#line.cursor = null;
    this.#line.start();
  }

  #retire(): void {
    if (!this.#isLeader) return;
    this.#line.stop();
    this.#letGo?.();
    this.#letGo = null;
    this.#heard = Date.now();
    this.#epoch = null;
    this.#isExact = false;
  }

  #hear(message: Message): void {
    switch (message.is) {
      case 'marked':
        return this.listener.marked(message.marked);
      case 'done':
        return this.listener.done(message.done);
      case 'hello':
        return this.#isLeader ? this.#sayState() : undefined;
      case 'wake':
        return this.#isLeader ? this.#line.wake() : undefined;
      default:
        // What a leader said that has been replaced meanwhile.
        if (!this.#isLeader) this.#follow(message);
    }
  }

  #follow(message: Extract<Message, { epoch: string }>): void {
    this.#heard = Date.now();
    clearTimeout(this.#answer);
    this.#answer = undefined;
    const isNext = message.epoch === this.#epoch && message.number === this.#number + (message.is === 'state' ? 0 : 1);
    if (!isNext) this.#isExact = false;
    this.#epoch = message.epoch;
    this.#number = message.number;
    if (message.is === 'state') {
      this.#line.cursor = message.cursor ?? this.#line.cursor;
      this.#hearLink(message.link);
    } else if (message.is === 'event') {
      this.#line.cursor = message.event.cursor;
      this.listener.event(message.event);
      this.#hearLink('live');
    } else {
      this.#isExact = false;
    }
    this.#list();
  }

  /** Only once the leader's stream tells what changes from then on. */
  #list(): void {
    if (this.#isExact || this.#link !== 'live') return;
    this.#isExact = true;
    this.listener.fresh();
  }

  #hearLink(link: Link): void {
    this.#link = link;
    this.listener.link(link);
  }

  #look(): void {
    if (!this.#isLeader && Date.now() - this.#heard > SILENCE_MS) this.#ask();
  }

  /** Asks whether the leader is there, and takes over from one that does not say. */
  #ask(): void {
    if (this.#answer !== undefined) return;
    this.#say({ is: 'hello' });
    this.#answer = setTimeout(() => {
      this.#answer = undefined;
      if (this.#channel !== null && !this.#isLeader) this.#request(true);
    }, ANSWER_MS * (1 + Math.random()));
  }

  #sayState(): void {
    const state = { epoch: this.#leading(), number: this.#number, link: this.#link, cursor: this.#line.cursor };
    this.#say({ is: 'state', ...state });
  }

  #say(message: Message): void {
    this.#channel?.postMessage(message);
  }
}

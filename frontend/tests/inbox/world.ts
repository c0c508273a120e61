import { vi } from 'vitest';
import { random } from './network';

class Target extends EventTarget {
  visibilityState = 'visible';
}

interface Waiting {
  readonly run: (lock: object | null) => Promise<unknown>;
  readonly settle: (work: Promise<unknown>) => void;
}

/** `navigator.locks`, exclusive alone. */
class FakeLocks {
  #queues = new Map<string, Waiting[]>();
  #held = new Map<string, { readonly steal: () => void }>();

  request(
    name: string,
    { signal, steal }: { signal?: AbortSignal; steal?: boolean },
    run: (lock: object | null) => Promise<unknown>,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const waiting = { run, settle: (work: Promise<unknown>) => work.then(resolve, reject) };
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      if (steal) {
        queue.unshift(waiting);
        this.#held.get(name)?.steal();
        this.#held.delete(name);
      } else {
        queue.push(waiting);
      }
      signal?.addEventListener('abort', () => {
        const index = queue.indexOf(waiting);
        if (index < 0) return;
        queue.splice(index, 1);
        reject(new DOMException('', 'AbortError'));
      });
      queueMicrotask(() => this.#next(name));
    });
  }

  #next(name: string): void {
    if (this.#held.has(name)) return;
    const next = this.#queues.get(name)?.shift();
    if (next === undefined) return;
    let steal = (): void => undefined;
    const stolen = new Promise<never>((_, reject) => {
      steal = () => reject(new DOMException('', 'AbortError'));
    });
    const held = { steal };
    this.#held.set(name, held);
    const work = next.run({});
    next.settle(Promise.race([work, stolen]));
    void work.then(() => {
      if (this.#held.get(name) === held) this.#held.delete(name);
      this.#next(name);
    });
  }
}

/** `BroadcastChannel`, in the order of telling. */
class FakeChannel {
  static open = new Set<FakeChannel>();
  static names = new Set<string>();
  onmessage: ((event: { data: unknown }) => void) | null = null;
  isMute = false;

  constructor(readonly name: string) {
    FakeChannel.open.add(this);
    FakeChannel.names.add(name);
  }

  postMessage(data: unknown): void {
    if (this.isMute) return;
    const copy = structuredClone(data);
    for (const other of FakeChannel.open) {
      if (other !== this && !other.isMute && other.name === this.name) {
        setTimeout(() => FakeChannel.open.has(other) && other.onmessage?.({ data: structuredClone(copy) }));
      }
    }
  }

  close(): void {
    FakeChannel.open.delete(this);
  }
}

/** What a page has around it, with a clock that is moved on by hand. */
export class World {
  readonly page = new Target();
  readonly navigator: { onLine: boolean; locks?: FakeLocks } = { onLine: true };

  #random = Math.random;
  #digests = 0;

  constructor({ sharing = false, seed = 1 } = {}) {
    Math.random = random(seed);
    const digest = crypto.subtle.digest.bind(crypto.subtle);
    crypto.subtle.digest = async (...asked) => {
      this.#digests += 1;
      const found = await digest(...asked).finally(() => (this.#digests -= 1));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      return found;
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
    const window = new EventTarget();
    vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
    vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window));
    vi.stubGlobal('dispatchEvent', window.dispatchEvent.bind(window));
    vi.stubGlobal('document', this.page);
    vi.stubGlobal('location', { href: 'https://hub.example/page' });
    vi.stubGlobal('navigator', this.navigator);
    FakeChannel.open.clear();
    FakeChannel.names.clear();
    vi.stubGlobal('BroadcastChannel', sharing ? FakeChannel : undefined);
    if (sharing) this.navigator.locks = new FakeLocks();
  }

  /** Names of all channels that were ever opened. */
  get channels(): string[] {
    return [...FakeChannel.names];
  }

  /** The channel that was opened as this one says and hears nothing any more. */
  mute(index: number, isMute = true): void {
    const channel = [...FakeChannel.open][index];
    if (channel !== undefined) channel.isMute = isMute;
  }

  async pass(ms: number): Promise<void> {
    await this.#hashed();
    await vi.advanceTimersByTimeAsync(ms);
    await this.#hashed();
  }

  /** Hashing takes its time outside of the clock. */
  async #hashed(): Promise<void> {
    do await new Promise<void>(tick);
    while (this.#digests > 0);
  }

  online(): void {
    globalThis.dispatchEvent(new Event('online'));
  }

  /** Timers that still wait. */
  get timers(): number {
    return vi.getTimerCount();
  }

  end(): void {
    Math.random = this.#random;
    Reflect.deleteProperty(crypto.subtle, 'digest');
    vi.useRealTimers();
    vi.unstubAllGlobals();
  }
}

/** Lets all work that is outside of the clock go on. */
const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

function tick(then: () => void): void {
  waiting.push(then);
  channel.port2.postMessage(null);
}

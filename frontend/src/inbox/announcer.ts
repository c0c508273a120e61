import type { ReactiveController, ReactiveControllerHost } from 'lit';

import type { Item, Snapshot } from './types';
import { keyOf } from './view';
import type { Words } from './words';

/** Arrivals within this time are told together: a burst must not talk for minutes. */
const GATHERED_MS = 700;
/** Then the text goes, so that nobody finds stale news by moving through the page; and the same may be said again. */
const KEPT_MS = 6000;

/** What the live region says. */
export class Announcer implements ReactiveController {
  text = '';
  #arrived: Item[] = [];
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #clearing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly words: () => Words,
  ) {
    host.addController(this);
  }

  arrived(item: Item): void {
    this.#arrived.push(item);
    this.#gathering ??= setTimeout(() => {
      const [value, newest] = [this.#arrived.length, this.#arrived.at(-1)];
      this.#forgetArrived();
      const words = this.words();
      if (newest) this.say(words.texts.arrived(words.shown({ value, capped: false }), newest.title));
    }, GATHERED_MS);
  }

  /** What an action did, and while the panel is open how the connection does. */
  changed(before: Snapshot, now: Snapshot, isOpen: boolean): void {
    const words = this.words();
    if (now.undoable && keyOf(now.undoable) !== keyOf(before.undoable)) this.say(words.ofAct(now.undoable));
    if (now.fault && now.fault !== before.fault) this.say(words.ofFault(now.fault));
    if (!isOpen || now.link === before.link) return;
    if (now.link === 'offline') this.say(words.texts.offline);
    if (now.link === 'refused') this.say(words.texts.signedOut);
  }

  say(text: string): void {
    clearTimeout(this.#clearing);
    this.#clearing = setTimeout(() => this.#show(''), KEPT_MS);
    // The same words again are no change to a screen reader; with a space after them they are.
    this.#show(text === this.text ? `${text}\u00a0` : text);
  }

  hostDisconnected(): void {
    this.#forgetArrived();
    clearTimeout(this.#clearing);
    this.text = '';
  }

  #forgetArrived(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#arrived = [];
  }

  #show(text: string): void {
    this.text = text;
    this.host.requestUpdate();
  }
}

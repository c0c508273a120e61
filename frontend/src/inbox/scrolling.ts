import type { ReactiveController } from 'lit';

/** So far ahead of its end a list is filled, in the reader's pixels. */
const AHEAD = '600px 0px';

/** Tells when the end of a list comes near: while it scrolls, and after each page that did not fill it. */
export class Scrolling implements ReactiveController {
  readonly works = typeof IntersectionObserver === 'function';
  #observer: IntersectionObserver | null = null;
  #end: Element | null = null;
  #isNear = false;

  constructor(private readonly near: () => void) {}

  /** Called after each rendering: an end that is still near after a page is told again, of which no observer would. */
  follow(list: Element | null, end: Element | null): void {
    if (end !== this.#end) this.#observe(list, end);
    else if (this.#isNear) this.near();
  }

  hostDisconnected(): void {
    this.#observe(null, null);
  }

  #observe(list: Element | null, end: Element | null): void {
    this.#observer?.disconnect();
    this.#observer = null;
    this.#end = end;
    this.#isNear = false;
    if (!this.works || !list || !end) return;
    this.#observer = new IntersectionObserver(
      (entries) => {
        this.#isNear = entries.at(-1)?.isIntersecting ?? false;
        if (this.#isNear) this.near();
      },
      { root: list, rootMargin: AHEAD },
    );
    this.#observer.observe(end);
  }
}

import type { ReactiveController } from 'lit';

const GAP = 8;
const LOWEST = 260;
const HIGHEST = 640;

/**
 * Keeps the panel beside its bell while it is open. It lies in the browser's top layer, so no ancestor cuts it off, but
 * for that layer nothing is beside anything. The numbers go in by CSSOM, which a page's `style-src` allows.
 */
export class Placement implements ReactiveController {
  #followed = false;

  constructor(
    private readonly bell: () => HTMLElement | null,
    private readonly panel: () => HTMLElement | null,
  ) {}

  start(): void {
    this.#place();
    if (this.#followed) return;
    this.#followed = true;
    addEventListener('resize', this.#place, { passive: true });
    addEventListener('scroll', this.#place, { passive: true, capture: true });
  }

  stop(): void {
    this.#followed = false;
    removeEventListener('resize', this.#place);
    removeEventListener('scroll', this.#place, { capture: true });
  }

  hostDisconnected(): void {
    this.stop();
  }

  readonly #place = (event?: Event): void => {
    const [bell, panel] = [this.bell(), this.panel()];
    // Scrolling of the list itself moves nothing.
    if (!bell || !panel || (event?.target instanceof Node && panel.getRootNode() === event.target)) return;
    const at = bell.getBoundingClientRect();
    const [wide, high] = [document.documentElement.clientWidth, innerHeight];
    const below = high - at.bottom - 2 * GAP;
    const above = at.top - 2 * GAP;
    const isBelow = below >= LOWEST || below >= above;
    const isRightToLeft = getComputedStyle(bell).direction === 'rtl';
    const left = isRightToLeft ? at.left : at.right - panel.offsetWidth;
    const { style } = panel;
    style.left = `${Math.round(Math.max(GAP, Math.min(left, wide - panel.offsetWidth - GAP)))}px`;
    style.top = isBelow ? `${Math.round(at.bottom + GAP)}px` : 'auto';
    style.bottom = isBelow ? 'auto' : `${Math.round(high - at.top + GAP)}px`;
    style.maxHeight = `${Math.round(Math.max(LOWEST, Math.min(isBelow ? below : above, HIGHEST)))}px`;
  };
}

import type { ReactiveController } from 'lit';

const STEPS: Readonly<Record<string, (at: number, last: number) => number>> = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_at, last) => last,
};

/** Where the keyboard is inside the panel: it moves by arrow keys, and never gets lost with what a change takes away. */
export class Focus implements ReactiveController {
  /** The place of the item that had the focus before a rendering; -1 for any other place in the panel. */
  #was: number | null = null;

  constructor(private readonly root: () => ShadowRoot | null) {}

  get #panel(): HTMLElement | null {
    return this.root()?.querySelector<HTMLElement>('.panel:popover-open') ?? null;
  }

  #items(): HTMLElement[] {
    return [...(this.root()?.querySelectorAll<HTMLElement>('.item') ?? [])];
  }

  hostUpdate(): void {
    const active = this.root()?.activeElement;
    const isInside = active && this.#panel?.contains(active);
    const item = active?.closest<HTMLElement>('.item');
    this.#was = isInside ? (item ? this.#items().indexOf(item) : -1) : null;
  }

  hostUpdated(): void {
    const [panel, was] = [this.#panel, this.#was];
    if (was === null || !panel || this.root()?.activeElement) return;
    const items = was < 0 ? [] : this.#items();
    enter(items[Math.min(was, items.length - 1)] ?? panel);
  }

  /** Arrow keys, Home and End among the items; from the panel itself they lead into the list. */
  moveInList(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    const target = event.target as HTMLElement;
    const item = target.closest<HTMLElement>('.item');
    if (!step || hasModifier(event) || (!item && target !== this.#panel)) return;
    const items = this.#items();
    const next = items[step(item ? items.indexOf(item) : -1, items.length - 1)];
    if (!next) return;
    event.preventDefault();
    enter(next);
  }

  /** The same in the row of tabs, which are chosen as they are reached; in the direction that the row is read. */
  moveInTabs(event: KeyboardEvent): void {
    const tabs = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role=tab]')];
    const isRightToLeft = getComputedStyle(event.currentTarget as HTMLElement).direction === 'rtl';
    const arrows = isRightToLeft ? ['ArrowLeft', 'ArrowRight'] : ['ArrowRight', 'ArrowLeft'];
    const vertical = ['ArrowDown', 'ArrowUp'][arrows.indexOf(event.key)] ?? event.key;
    const step = event.key.startsWith('Arrow') && vertical === event.key ? undefined : STEPS[vertical];
    const next = step && tabs[step(tabs.indexOf(event.target as HTMLElement), tabs.length - 1)];
    if (!next || hasModifier(event)) return;
    event.preventDefault();
    event.stopPropagation();
    next.click();
    next.focus();
  }
}

function hasModifier({ altKey, ctrlKey, metaKey, shiftKey }: KeyboardEvent): boolean {
  return altKey || ctrlKey || metaKey || shiftKey;
}

function enter(place: HTMLElement): void {
  (place.querySelector<HTMLElement>(':scope > .main') ?? place).focus();
}

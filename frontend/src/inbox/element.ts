import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';

import { Announcer } from './announcer';
import { Focus } from './focus';
import { isLong } from './item';
import { bellTemplate, panelTemplate } from './panel';
import { Placement } from './placement';
import { Scrolling } from './scrolling';
import { createStore } from './store';
import { styles } from './styles';
import { english, type Texts } from './texts';
import type { InboxStore, Item, Snapshot } from './types';
import { type Acts, keyOf, NOTHING_YET, type View } from './view';
import { Words } from './words';

/** So long a "5 minutes ago" may be wrong. */
const TICK_MS = 20_000;

/** Where this module came from is where the hub is, unless a page says otherwise. */
const { origin } = new URL(import.meta.url);

const words = {
  fromAttribute: (value: string | null): string[] => (value ?? '').split(',').map((one) => one.trim()).filter(Boolean),
};
const differ = (now: unknown, before: unknown) => JSON.stringify(now) !== JSON.stringify(before);

/**
 * `<notification-inbox>`: a bell with a number, and a panel with a user's notifications. docs/inbox.md tells how to use it.
 *
 * Events, all bubbling out of shadow trees: `notification-arrived` and `notification-activated` (detail: the item),
 * `inbox-open`, `inbox-close`.
 */
export class NotificationInbox extends LitElement {
  static override readonly styles = styles;
  static override readonly properties = {
    endpoint: {},
    userId: { attribute: 'user-id' },
    token: {},
    getToken: { attribute: false },
    categories: { converter: words, hasChanged: differ },
    counts: {},
    pageSize: { attribute: 'page-size', type: Number },
    lang: { reflect: true },
    texts: { attribute: false },
    open: { type: Boolean, reflect: true },
    _now: { state: true },
    _current: { state: true },
    _expanded: { state: true },
    _dismissed: { state: true },
  };

  /** The hub's address; of its path nothing is used. */
  declare endpoint: string;
  declare userId: string | null;
  declare token: string | null;
  /** Gives a token that is valid now; asked for whenever one is needed. Goes before `token`. */
  declare getToken: (() => Promise<string | null>) | null;
  /** Whose numbers are shown even where none of their items is on screen. */
  declare categories: readonly string[];
  /** What the bell's number counts. */
  declare counts: 'unread' | 'unseen';
  declare pageSize: number;
  declare texts: Partial<Texts>;
  declare open: boolean;
  private declare _now: number;
  private declare _current: string | null;
  private declare _expanded: ReadonlySet<string>;
  private declare _dismissed: string;

  #store: InboxStore | null = null;
  #snapshot: Snapshot = NOTHING_YET;
  #words = new Words(english, '');
  #givenTexts: Partial<Texts> = {};
  #ticking: ReturnType<typeof setInterval> | undefined;
  /** Whose word the store took last for a token. */
  #askedOf: unknown = null;
  #isOpen = false;
  #seen = '';

  readonly #announcer = new Announcer(this, () => this.#words);
  readonly #focus = new Focus(() => this.shadowRoot);
  readonly #placement = new Placement(() => this.#find('.bell'), () => this.#find('.panel'));
  readonly #scrolling = new Scrolling(() => this.#loadMoreByScrolling());

  constructor() {
    super();
    this.endpoint = origin === 'null' ? '' : origin;
    this.userId = this.token = this.getToken = null;
    this.categories = [];
    this.counts = 'unread';
    this.pageSize = 20;
    this.texts = {};
    this.open = false;
    this._now = Date.now();
    this._current = null;
    this._dismissed = '';
    this._expanded = new Set();
    for (const controller of [this.#focus, this.#placement, this.#scrolling]) this.addController(controller);
  }

  /** The data behind it; another one whenever `endpoint` or `user-id` change, null while there is no user. */
  get store(): InboxStore | null {
    return this.#store;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('visibilitychange', this.#visible);
    this.#store?.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('visibilitychange', this.#visible);
    this.#store?.stop();
    this.#closed();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const identity = ['endpoint', 'userId', 'categories', 'pageSize'] as const;
    if (identity.some((name) => changed.has(name))) this.#connect();
    else if ((changed.has('token') || changed.has('getToken')) && this.#snapshot.link === 'refused') this.#restart();
    const language = this.lang || this.closest<HTMLElement>('[lang]')?.lang || document.documentElement.lang || navigator.language;
    if (language !== this.#words.language || this.texts !== this.#givenTexts) {
      this.#givenTexts = this.texts;
      this.#words = new Words({ ...english, ...this.texts }, language);
    }
  }

  protected override render(): TemplateResult {
    const view = this.#view();
    return html`
      ${bellTemplate(view)} ${panelTemplate(view, this.#acts)}
      <div class="hidden" role="status" aria-live="polite" part="announcements">${this.#announcer.text || nothing}</div>
    `;
  }

  protected override updated(changed: PropertyValues<this>): void {
    const panel = this.#find('.panel');
    if (changed.has('open') && panel && this.open !== panel.matches(':popover-open')) {
      if (this.open) panel.showPopover();
      else panel.hidePopover();
    }
    this.#scrolling.follow(this.#find('.list'), this.#find('.end'));
    if (this.open) this.#markSeen();
  }

  #find(selector: string): HTMLElement | null {
    return this.shadowRoot?.querySelector<HTMLElement>(selector) ?? null;
  }

  #view(): View {
    const snapshot = this.#snapshot;
    const isThere = snapshot.items.some(({ id }) => id === this._current);
    return {
      snapshot,
      words: this.#words,
      counts: this.counts === 'unseen' ? 'unseen' : 'unread',
      open: this.open,
      now: this._now,
      current: isThere ? this._current : (snapshot.items[0]?.id ?? null),
      expanded: this._expanded,
      scrolls: this.#scrolling.works,
      dismissed: this._dismissed,
    };
  }

  #connect(): void {
    this.#disconnect();
    if (!this.userId) return;
    const store = createStore({
      endpoint: this.endpoint,
      userId: this.userId,
      token: async () => {
        this.#askedOf = this.getToken ?? this.token;
        return this.getToken ? await this.getToken() : this.token;
      },
      categories: this.categories,
      pageSize: this.pageSize,
    });
    store.addEventListener('change', this.#change);
    store.addEventListener('arrived', this.#arrived);
    this.#store = store;
    this.#snapshot = store.snapshot;
    if (this.isConnected) store.start();
  }

  #disconnect(): void {
    this.#store?.removeEventListener('change', this.#change);
    this.#store?.removeEventListener('arrived', this.#arrived);
    this.#store?.stop();
    this.#store = null;
    this.#snapshot = NOTHING_YET;
    this.#seen = '';
    this._current = null;
    this._dismissed = '';
    this._expanded = new Set();
  }

  #restart(): void {
    this.#store?.stop();
    this.#store?.start();
  }

  readonly #change = (): void => {
    if (!this.#store) return;
    const [before, now] = [this.#snapshot, this.#store.snapshot];
    this.#snapshot = now;
    if (keyOf(now.undoable) !== this._dismissed) this._dismissed = '';
    this.#announcer.changed(before, now, this.open);
    this.requestUpdate();
    // A page often sets `getToken` only after its element was there, and was refused without one meanwhile.
    const isRefused = now.link === 'refused' && before.link !== 'refused';
    if (isRefused && this.#askedOf !== (this.getToken ?? this.token)) this.#restart();
  };

  readonly #arrived = (event: Event): void => {
    const { detail } = event as CustomEvent<Item>;
    this._now = Date.now();
    this.#announcer.arrived(detail);
    this.#dispatch('notification-arrived', detail);
  };

  #dispatch(type: string, detail?: Item): void {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
  }

  #markSeen(): void {
    const { list, items, unseen } = this.#snapshot;
    if (list !== 'ready' || unseen.value === 0 || document.visibilityState !== 'visible') return;
    // Once for what is there: if it fails, the next change is soon enough.
    const seen = `${items[0]?.id} ${unseen.value}`;
    if (items.length === 0 || seen === this.#seen) return;
    this.#seen = seen;
    void this.#store?.markAllSeen();
  }

  #loadMoreByScrolling(): void {
    const { hasMore, loadingMore, list, fault } = this.#snapshot;
    // After a failure the reader decides: a list that tries again by itself would do so for ever.
    if (this.open && hasMore && !loadingMore && list === 'ready' && fault === null) void this.#store?.loadMore();
  }

  readonly #visible = (): void => {
    if (!this.open || document.visibilityState !== 'visible') return;
    this._now = Date.now();
    this.requestUpdate();
  };

  #opened(): void {
    if (this.#isOpen) return;
    this.open = this.#isOpen = true;
    this._now = Date.now();
    this.#ticking ??= setInterval(() => (this._now = Date.now()), TICK_MS);
    this.#placement.start();
    this.#find('.panel')?.focus({ preventScroll: true });
    this.#dispatch('inbox-open');
  }

  #closed(): void {
    if (!this.#isOpen) return;
    this.open = this.#isOpen = false;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    this.#placement.stop();
    this.#dispatch('inbox-close');
  }

  readonly #acts: Acts = {
    toggling: ({ newState }) => {
      // Only if it is in the panel: whoever closes it by clicking elsewhere is there already.
      if (newState === 'closed' && this.shadowRoot?.activeElement?.closest('.panel')) this.#find('.bell')?.focus();
    },
    toggled: ({ newState }) => (newState === 'open' ? this.#opened() : this.#closed()),
    close: () => this.#find('.panel')?.hidePopover(),
    keyOnPanel: (event) => this.#focus.moveInList(event),
    keyOnTabs: (event) => this.#focus.moveInTabs(event),
    filter: (part) => {
      this.#store?.setFilter({ ...this.#snapshot.filter, ...part });
      this.#find('.list')?.scrollTo({ top: 0 });
    },
    activate: (item) => {
      if (isLong(item)) this._expanded = toggled(this._expanded, item.id);
      if (item.readAt === null) void this.#store?.markRead(item.id);
      this.#dispatch('notification-activated', item);
    },
    reach: ({ id }) => (this._current = id),
    toggleRead: ({ id, readAt }) => void (readAt === null ? this.#store?.markRead(id) : this.#store?.markUnread(id)),
    toggleArchived: ({ id, archivedAt }) =>
      void (archivedAt === null ? this.#store?.archive(id) : this.#store?.unarchive(id)),
    markAllRead: () => void this.#store?.markAllRead(),
    undo: async () => {
      await this.#store?.undo();
      if (this.#snapshot.fault === null) this.#announcer.say(this.#words.texts.wasUndone);
    },
    dismiss: () => (this._dismissed = keyOf(this.#snapshot.undoable)),
    retry: () => (this.#snapshot.link === 'refused' ? this.#restart() : void this.#store?.reload()),
    loadMore: () => void this.#store?.loadMore(),
  };
}

function toggled<One>(all: ReadonlySet<One>, one: One): ReadonlySet<One> {
  return all.has(one) ? new Set([...all].filter((other) => other !== one)) : new Set([...all, one]);
}

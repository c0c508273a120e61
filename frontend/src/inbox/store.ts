import { Actions } from './actions';
import { Api } from './api';
import { Counts } from './counts';
import { canHash, Naming, sha256 } from './documents';
import { Line, type Listener } from './line';
import { Lister } from './lister';
import { Model } from './model';
import { delayOf, Pause } from './pause';
import { type Dial, dial } from './socket';
import { canShare, Tabs, type TabsListener } from './tabs';
import { Tally } from './tally';
import { holderOf, Tokens } from './tokens';
import type { Fault, Filter, InboxStore, Item, Link, Options, Snapshot } from './types';
import { isHidden, onWake } from './wake';
import { faultOf, type InboxEvent } from './wire';

/** So long the list waits for the live connection: listed after that is live it need not be listed again. */
const FIRST_LIST_MS = 1_000;
/** Of what tabs say to each other. */
const VERSION = 1;

/** The way to a hub. */
export interface Network {
  readonly dial: Dial;
  readonly fetch: typeof fetch;
}

const browser: Network = { dial, fetch: (...request) => fetch(...request) };

export function createStore(options: Options, network: Network = browser): InboxStore {
  return new Store(options, network);
}

class Store extends EventTarget implements InboxStore {
  readonly #options: Options;
  readonly #tokens: Tokens;
  readonly #naming = new Naming();
  readonly #model = new Model();
  readonly #counts = new Counts();
  readonly #lister: Lister;
  readonly #tally: Tally;
  readonly #actions: Actions;
  readonly #pause = new Pause();
  #live: Line | Tabs | null = null;
  #link: Link = 'connecting';
  #fault: Fault | null = null;
  #snapshot: Snapshot | null = null;
  #arrived: Item[] = [];
  #isTelling = false;
  /** Counts starts and stops; even while it is stopped. */
  #run = 0;
  #wasListed = false;
  #firstList: ReturnType<typeof setTimeout> | undefined;
  #unlisten: () => void = () => undefined;

  constructor(
    options: Options,
    private readonly network: Network,
  ) {
    super();
    this.#options = options;
    this.#tokens = new Tokens(options.token);
    const api = new Api(options.endpoint, options.userId, this.#tokens, this.#naming, network.fetch);
    const told = {
      changed: () => this.#changed(),
      failed: (error: unknown) => this.#told(faultOf(error)),
      succeeded: () => this.#told(null),
    };
    this.#lister = new Lister(api, this.#model, this.#counts, options.pageSize, {
      ...told,
      listed: () => this.#listed(),
    });
    const asked = (signal: AbortSignal) => api.counts([...this.#counts.numbers.categories.keys()], signal);
    this.#tally = new Tally(
      asked,
      (counted) => {
        this.#counts.byCategory(counted);
        this.#changed();
      },
      isHidden,
    );
    this.#actions = new Actions(api, this.#model, this.#counts, {
      ...told,
      marked: (marked) => this.#shared?.marked(marked),
      done: (done) => this.#shared?.done(done),
      list: () => this.#lister.list(),
    });
    this.#counts.know(options.categories);
  }

  get snapshot(): Snapshot {
    this.#snapshot ??= {
      ...this.#actions.predicted(),
      link: this.#link,
      filter: this.#model.filter,
      items: this.#model.shown(),
      list: this.#model.listed ? 'ready' : this.#lister.failing ? 'error' : 'loading',
      hasMore: this.#model.hasMore,
      loadingMore: this.#lister.loadingMore,
      fault: this.#fault,
      undoable: this.#actions.undoable,
    };
    return this.#snapshot;
  }

  start(): void {
    if (this.#isRunning) return;
    this.#run += 1;
    this.#tokens.forget();
    this.#link = 'connecting';
    this.#unlisten = onWake(() => this.#wake());
    this.#firstList = setTimeout(() => this.#list(), FIRST_LIST_MS);
    void this.#connect(this.#run);
  }

  stop(): void {
    if (!this.#isRunning) return;
    this.#run += 1;
    this.#unlisten();
    clearTimeout(this.#firstList);
    this.#firstList = undefined;
    this.#pause.cut();
    this.#live?.stop();
    this.#live = null;
    this.#lister.stop();
    this.#tally.stop();
    this.#actions.stop();
    this.#changed();
  }

  setFilter(filter: Filter): void {
    const { unread, archived, category } = this.#model.filter;
    if (filter.unread === unread && filter.archived === archived && filter.category === category) return;
    if (this.#isRunning) void this.#lister.choose({ ...filter });
    else this.#model.choose({ ...filter });
    this.#changed();
  }

  loadMore(): Promise<void> {
    return this.#lister.more();
  }

  reload(): Promise<void> {
    this.#live?.wake();
    return this.#lister.list();
  }

  markRead(id: string): Promise<void> {
    return this.#actions.mark('markRead', id);
  }

  markUnread(id: string): Promise<void> {
    return this.#actions.mark('markUnread', id);
  }

  archive(id: string): Promise<void> {
    return this.#actions.mark('archive', id);
  }

  unarchive(id: string): Promise<void> {
    return this.#actions.mark('unarchive', id);
  }

  markAllRead(): Promise<void> {
    return this.#actions.markAllRead();
  }

  markAllSeen(): Promise<void> {
    return this.#actions.markAllSeen();
  }

  undo(): Promise<void> {
    return this.#actions.undo();
  }

  get #isRunning(): boolean {
    return this.#run % 2 === 1;
  }

  get #shared(): Tabs | null {
    return this.#live instanceof Tabs ? this.#live : null;
  }

  async #connect(run: number): Promise<void> {
    const url = new URL(`${this.#options.endpoint}/graphql`, globalThis.location?.href);
    const name = canShare() && canHash() ? await this.#name(url.href, run) : null;
    if (run !== this.#run) return;
    url.protocol = url.protocol.replace('http', 'ws');
    const { userId } = this.#options;
    const line = (listener: Listener): Line =>
      new Line(url.href, userId, this.#tokens, this.#naming, listener, this.network.dial);
    this.#live = name === null ? line(this.#listener()) : new Tabs(name, this.#listener(), line);
    this.#live.start();
  }

  /** What tabs of the same caller at the same hub have in common, and nobody else; it tells nothing of the token. */
  async #name(url: string, run: number): Promise<string> {
    let token: string | null | undefined;
    for (let failures = 1; token === undefined && run === this.#run; failures += 1) {
      token = await this.#tokens.get().catch(() => undefined);
      if (token !== undefined) break;
      this.#heard(globalThis.navigator?.onLine === false ? 'offline' : 'refused');
      await this.#pause.wait(delayOf(failures + 2));
    }
    const holder = await sha256(JSON.stringify([url, this.#options.userId, holderOf(token ?? null)]));
    return `notification-inbox:${VERSION}:${holder}`;
  }

  #listener(): TabsListener {
    return {
      event: (event) => this.#event(event),
      link: (link) => this.#heard(link),
      fresh: () => this.#list(),
      marked: (marked) => {
        this.#actions.learn(this.#model.answer(marked));
        this.#changed();
      },
      done: (done) => {
        this.#actions.hear(done);
        this.#changed();
      },
    };
  }

  #event(event: InboxEvent): void {
    const { kind, notification } = event;
    const hasArrived = kind === 'CHANGED' && notification !== null && this.#wasListed && this.#model.isArrival(notification);
    this.#counts.event(event, this.#model.event(event));
    this.#actions.event(event);
    if (notification?.category) this.#counts.know([notification.category]);
    // Deleted or only put away: of what is archived already the event does not say.
    const isUnclear = kind === 'REMOVED' && this.#model.filter.archived && notification?.archivedAt != null;
    if (kind === 'RESYNC' || isUnclear) this.#list();
    if (kind !== 'HEARTBEAT') this.#count();
    if (hasArrived) this.#arrived.push(notification);
    this.#changed();
  }

  #heard(link: Link): void {
    this.#link = link;
    if (link === 'live') this.#lister.wake();
    // A list needs no socket.
    else if (link !== 'connecting' && this.#firstList !== undefined) this.#list();
    this.#changed();
  }

  #list(): void {
    clearTimeout(this.#firstList);
    this.#firstList = undefined;
    void this.#lister.list();
  }

  #listed(): void {
    this.#wasListed = true;
    this.#counts.know(this.#model.categories());
    this.#count();
  }

  #count(): void {
    if (this.#counts.numbers.categories.size > 0) this.#tally.want();
  }

  #wake(): void {
    this.#pause.cut();
    this.#live?.wake();
    this.#lister.wake();
    this.#tally.wake();
    this.#changed();
  }

  /** What leaves the list, one by one, must not leave it empty while there is more. */
  #refill(): void {
    const { items, hasMore, loadingMore } = this.snapshot;
    const isShort = items.length < this.#options.pageSize / 2;
    if (this.#isRunning && isShort && hasMore && !loadingMore && !this.#lister.isStuck) void this.#lister.more();
  }

  #told(fault: Fault | null): void {
    this.#fault = fault;
    this.#changed();
  }

  /** Told once for all that changes at once. */
  #changed(): void {
    this.#snapshot = null;
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.#refill();
      this.dispatchEvent(new Event('change'));
      for (const item of this.#arrived.splice(0)) this.dispatchEvent(new CustomEvent('arrived', { detail: item }));
    });
  }
}

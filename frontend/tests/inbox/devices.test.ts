import { afterEach, describe, expect, test } from 'vitest';
import { createStore } from '../../src/inbox/store';
import type { Filter, InboxStore } from '../../src/inbox/types';
import { newestFirst } from '../../src/inbox/wire';
import { FakeHub } from './hub';
import { FakeNetwork, random } from './network';
import { World } from './world';

const CATEGORIES = [null, 'news', 'orders'];
const RUNS = 60;
const STEPS = 60;
const PAGE = 4;

class Devices {
  readonly hub = new FakeHub();
  readonly networks: FakeNetwork[] = [];
  readonly stores: InboxStore[] = [];
  readonly #random: () => number;

  constructor(
    readonly world: World,
    seed: number,
    count: number,
  ) {
    this.#random = random(seed);
    const latency = (): number => Math.floor(this.#random() * 40);
    for (let index = 0; index < 12; index += 1) this.hub.deliver(this.#one(CATEGORIES));
    for (let index = 0; index < count; index += 1) {
      const network = new FakeNetwork(this.hub, latency);
      const store = createStore(
        { endpoint: '', userId: 'ann', token: async () => null, categories: ['news', 'orders'], pageSize: PAGE },
        network,
      );
      store.addEventListener('change', () => this.#isInOrder(store));
      this.networks.push(network);
      this.stores.push(store);
      store.start();
    }
  }

  /** At every moment, not only in the end. */
  #isInOrder(store: InboxStore): void {
    const { items } = store.snapshot;
    for (const [index, item] of items.entries()) {
      const next = items[index + 1];
      if (next !== undefined) expect(newestFirst(item, next)).toBeLessThan(0);
    }
  }

  #one<T>(of: readonly T[]): T {
    return of[Math.floor(this.#random() * of.length)] as T;
  }

  async step(): Promise<void> {
    this.#do();
    if (this.#random() < 0.6) this.hub.pump();
    await this.world.pass(Math.floor(this.#random() * 60));
  }

  #do(): void {
    const [store, network] = [this.#one(this.stores), this.#one(this.networks)];
    const [id, shown] = [this.#one([...this.hub.rows.keys()]), this.#one(store.snapshot.items)?.id];
    const filter: Filter = { unread: this.#random() < 0.4, archived: this.#random() < 0.2, category: this.#one(CATEGORIES) };
    // What lists afresh is rare, or it would hide what was missed.
    if (this.#random() < 0.8) {
      this.#happen(store, network, id, shown);
      return;
    }
    const rare: (() => unknown)[] = [
      () => store.setFilter(filter),
      () => store.reload(),
      () => (network.failing = 1),
      () => (network.isTooMuch = this.#random() < 0.3),
      () => {
        store.stop();
        store.start();
      },
    ];
    this.#one(rare)();
  }

  #happen(store: InboxStore, network: FakeNetwork, id: string, shown: string | undefined): void {
    const steps: (() => unknown)[] = [
      () => this.hub.deliver(this.#one(CATEGORIES)),
      () => this.hub.mark(this.#one(['MarkRead', 'MarkUnread', 'ArchiveNotification', 'UnarchiveNotification']), id),
      () => this.#random() < 0.3 && this.hub.change(id, { gone: true }),
      () => shown && store.markRead(shown),
      () => shown && store.markUnread(shown),
      () => shown && store.archive(shown),
      () => shown && store.unarchive(shown),
      () => store.markAllRead(),
      () => store.markAllSeen(),
      () => store.undo(),
      () => store.loadMore(),
      () => network.cut(),
      () => {
        network.isCut = false;
        if (this.#random() < 0.5) this.world.online();
      },
      () => network.drop(),
      () => this.hub.beat(),
    ];
    this.#one(steps)();
  }

  async settle(): Promise<void> {
    for (const network of this.networks) Object.assign(network, { isCut: false, failing: 0, isTooMuch: false });
    this.world.online();
    for (let index = 0; index < 40; index += 1) {
      this.hub.pump();
      if (index % 15 === 14) this.hub.beat();
      await this.world.pass(1_000);
    }
  }

  stop(): void {
    for (const store of this.stores) store.stop();
  }

  agree(): void {
    for (const { snapshot } of this.stores) {
      const { items, filter } = snapshot;
      const all = this.hub.list(filter);
      const view = (one: { id: string; readAt: unknown; seenAt: unknown; archivedAt: unknown }): unknown[] => [
        ...[one.id, one.readAt !== null, one.seenAt !== null, one.archivedAt !== null],
      ];
      expect(snapshot.link).toBe('live');
      expect(items.map(view)).toEqual(all.slice(0, items.length).map(view));
      expect(snapshot.hasMore || items.length === all.length).toBe(true);
      expect(items.length).toBeGreaterThanOrEqual(Math.min(PAGE / 2, all.length));
      const { unread, unseen } = this.hub.counts();
      expect([snapshot.unread.value, snapshot.unseen.value]).toEqual([unread, unseen]);
      for (const [category, { value }] of snapshot.categories) expect(value).toBe(this.hub.counts(category).unread);
    }
  }
}

describe.each([
  ['devices of their own', false],
  ['tabs that share a socket', true],
])('%s', (_, sharing) => {
  let world: World;
  let devices: Devices;
  afterEach(() => {
    devices.stop();
    world.end();
  });

  test.each(Array.from({ length: RUNS }, (_unused, index) => index + 1))('agree with the hub in the end, seed %i', async (seed) => {
    world = new World({ sharing, seed });
    devices = new Devices(world, seed, 3);
    for (let index = 0; index < STEPS; index += 1) await devices.step();
    await devices.settle();
    devices.agree();
    devices.stop();
    await world.pass(20_000);
    expect(world.timers).toBe(0);
  });
});

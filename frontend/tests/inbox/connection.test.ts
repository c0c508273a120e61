import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createStore } from '../../src/inbox/store';
import type { InboxStore, Options } from '../../src/inbox/types';
import { FakeHub } from './hub';
import { errors, FakeNetwork } from './network';
import { World } from './world';

let world: World;
let hub: FakeHub;
let network: FakeNetwork;
const stores: InboxStore[] = [];

function begin(options: Partial<Options> = {}, by = network): InboxStore {
  const store = createStore(
    { endpoint: '', userId: 'ann', token: async () => null, categories: [], pageSize: 5, ...options },
    by,
  );
  stores.push(store);
  store.start();
  return store;
}

/** A JWT; who signed it is nobody's business here. */
function jwt(claims: object): string {
  const part = (of: object): string => btoa(JSON.stringify(of)).replaceAll('=', '');
  return `${part({ alg: 'none' })}.${part(claims)}.signature`;
}

beforeEach(() => {
  world = new World();
  hub = new FakeHub();
  network = new FakeNetwork(hub);
});

afterEach(() => {
  for (const store of stores.splice(0)) store.stop();
  world.end();
});

describe('coming back', () => {
  test('is after the last event that was told, each time', async () => {
    const store = begin();
    await world.pass(100);
    expect(network.dialled.map(({ variables }) => variables.after)).toEqual([null]);
    for (let index = 0; index < 3; index += 1) {
      hub.deliver(null);
      hub.pump();
      await world.pass(100);
      const told = store.snapshot.items.length;
      network.drop();
      await world.pass(11_000);
      expect(told).toBe(index + 1);
    }
    const places = network.dialled.map(({ variables }) => variables.after);
    expect(new Set(places).size).toBe(4);
    expect(store.snapshot.link).toBe('live');
  });

  test('lists once at the start, and no more while nothing was missed', async () => {
    begin();
    await world.pass(2_000);
    network.drop();
    await world.pass(11_000);
    expect(network.requests.filter(({ body }) => body.query.includes('query Inbox('))).toHaveLength(1);
  });

  test('lists afresh, as deep as before and in one step, where not all can be told', async () => {
    for (let index = 0; index < 230; index += 1) hub.deliver(null);
    const store = begin({ pageSize: 100 });
    await world.pass(2_000);
    void store.loadMore();
    await world.pass(100);
    expect(store.snapshot.items.length).toBe(200);
    network.cut();
    for (const { id } of store.snapshot.items.slice(0, 20)) hub.change(id, { gone: true });
    hub.pump();
    Object.assign(network, { isCut: false, isTooMuch: true });
    const lengths = new Set<number>();
    store.addEventListener('change', () => lengths.add(store.snapshot.items.length));
    world.online();
    await world.pass(5_000);
    const firsts = network.requests.filter(({ body }) => body.query.includes('query Inbox(')).map(({ body }) => body.variables.first);
    expect(firsts.slice(-2)).toEqual([100, 100]);
    expect(store.snapshot.items.map(({ id }) => id)).toEqual(hub.list({}).slice(0, 200).map(({ id }) => id));
    expect([...lengths]).toEqual([200]);
  });

  test('is quick at first and then at most ten seconds away', async () => {
    const store = begin();
    await world.pass(100);
    network.cut();
    await world.pass(600);
    expect(network.dialled.length).toBe(2);
    await world.pass(120_000);
    expect(store.snapshot.link).toBe('offline');
    expect(network.dialled.length).toBeGreaterThan(13);
    expect(network.dialled.length).toBeLessThan(35);
  });

  test.each(['online', 'pageshow'])('is at once at %s', async (name) => {
    const store = begin();
    await world.pass(100);
    network.cut();
    await world.pass(60_000);
    network.isCut = false;
    globalThis.dispatchEvent(new Event(name));
    await world.pass(20);
    expect(store.snapshot.link).toBe('live');
  });

  test('is at once when somebody looks again', async () => {
    const store = begin();
    await world.pass(100);
    network.cut();
    await world.pass(60_000);
    network.isCut = false;
    world.page.dispatchEvent(new Event('visibilitychange'));
    await world.pass(20);
    expect(store.snapshot.link).toBe('live');
  });
});

describe('tokens', () => {
  test('are in a header and in the first message, never in an address', async () => {
    begin({ token: async () => 'secret-token' });
    await world.pass(100);
    expect(network.requests[0]?.headers.authorization).toBe('Bearer secret-token');
    expect(network.dialled[0]?.token).toBe('secret-token');
    expect([...network.requests, ...network.dialled].map(({ url }) => url).join()).not.toContain('secret');
  });

  test('that were refused are replaced at once', async () => {
    const tokens = ['old', 'new'];
    network.accepted = new Set(['new']);
    const store = begin({ token: async () => tokens.shift() ?? 'new' });
    await world.pass(1_000);
    expect(store.snapshot.link).toBe('live');
    expect(store.snapshot.list).toBe('ready');
  });

  test('that can not be replaced are tried again slowly, and when somebody looks', async () => {
    network.accepted = new Set(['good']);
    let given = 'bad';
    const store = begin({ token: async () => given });
    await world.pass(60_000);
    expect([store.snapshot.link, store.snapshot.list, store.snapshot.fault]).toEqual(['refused', 'error', 'refused']);
    expect(network.dialled.length).toBeLessThan(5);
    given = 'good';
    world.online();
    await world.pass(100);
    expect([store.snapshot.link, store.snapshot.list, store.snapshot.fault]).toEqual(['live', 'ready', null]);
  });

  test('are renewed before they end, and the socket moves over without a gap', async () => {
    const begun = Math.floor(Date.now() / 1000);
    let number = 0;
    const token = async (): Promise<string> => {
      const iat = begun + Math.floor((Date.now() - begun * 1000) / 1000);
      return jwt({ sub: 'ann', iat, exp: iat + 100, number: (number += 1) });
    };
    const store = begin({ token });
    const links = new Set<string>();
    await world.pass(1_000);
    store.addEventListener('change', () => links.add(store.snapshot.link));
    const [first] = network.dialled;
    for (let second = 0; second < 85; second += 1) {
      if (second % 15 === 0) hub.beat();
      hub.deliver(null);
      hub.pump();
      await world.pass(1_000);
    }
    expect(network.dialled.length).toBe(2);
    expect(network.dialled[1]?.token).not.toBe(first?.token);
    expect(network.dialled[1]?.variables.after).not.toBe(null);
    expect(network.sockets).toBe(1);
    expect([...links]).toEqual(['live']);
    expect(store.snapshot.items.length).toBe(85);
  });
});

describe('what is said to the hub', () => {
  test('names documents by their hashes where only trusted ones are run', async () => {
    const { answer } = network;
    const trusted: string[] = [];
    network.answer = (asked) => {
      if ('query' in asked) return errors('PERMISSION_DENIED', 'Only trusted documents are run here: send documentId.');
      trusted.push((asked as { documentId: string }).documentId);
      return { data: { user: { inbox: { edges: [], pageInfo: { hasNextPage: false } } } } };
    };
    const store = begin();
    await world.pass(2_000);
    // Hashing may have ended only now, and what waited for it goes on by the clock.
    await world.pass(1_000);
    expect(store.snapshot.list).toBe('ready');
    expect(trusted[0]).toMatch(/^sha256:[0-9a-f]{64}$/);
    network.answer = answer;
  });

  test('an inbox that is not open to the caller is refused', async () => {
    network.answer = () => ({ data: { user: null } });
    const store = begin();
    await world.pass(2_000);
    expect([store.snapshot.list, store.snapshot.fault]).toEqual(['error', 'refused']);
  });
});

describe('actions', () => {
  test('show at once, and are taken back when the hub refuses', async () => {
    hub.deliver(null);
    const store = begin();
    await world.pass(1_000);
    const { answer } = network;
    network.answer = (asked) => (asked.query.startsWith('mutation') ? errors('INTERNAL') : answer(asked));
    const id = store.snapshot.items[0]?.id ?? '';
    const done = store.markRead(id);
    expect(store.snapshot.items[0]?.readAt).not.toBe(null);
    expect(store.snapshot.unread.value).toBe(0);
    await world.pass(100);
    await done;
    expect(store.snapshot.items[0]?.readAt).toBe(null);
    expect([store.snapshot.unread.value, store.snapshot.fault]).toEqual([1, 'failed']);
    network.answer = answer;
    void store.markRead(id);
    await world.pass(100);
    expect([store.snapshot.unread.value, store.snapshot.fault]).toEqual([0, null]);
  });

  test('never flicker: the answer and the event come in any order', async () => {
    for (let index = 0; index < 4; index += 1) hub.deliver(null);
    const store = begin();
    await world.pass(1_000);
    const seen: number[] = [];
    store.addEventListener('change', () => seen.push(store.snapshot.unread.value));
    void store.markRead(store.snapshot.items[0]?.id ?? '');
    await world.pass(50);
    hub.pump();
    await world.pass(50);
    void store.markRead(store.snapshot.items[1]?.id ?? '');
    await world.pass(1);
    hub.pump();
    await world.pass(50);
    expect([...new Set(seen)]).toEqual([3, 2]);
    void store.markAllRead();
    await world.pass(50);
    hub.pump();
    await world.pass(50);
    expect([...new Set(seen)]).toEqual([3, 2, 0]);
  });

  test('numbers that were asked for before an event told others do not come back', async () => {
    const slow = new FakeNetwork(hub, () => latency);
    let latency = 1;
    const store = begin({}, slow);
    await world.pass(1_000);
    latency = 200;
    void store.reload();
    await world.pass(250);
    latency = 1;
    hub.deliver(null);
    hub.pump();
    await world.pass(300);
    expect(store.snapshot.unread.value).toBe(1);
  });

  test('what is read leaves a list of what is unread, and what is put away can be had back', async () => {
    for (let index = 0; index < 3; index += 1) hub.deliver(null);
    const store = begin();
    store.setFilter({ unread: true, archived: false, category: null });
    await world.pass(1_000);
    const [newest, middle] = store.snapshot.items;
    void store.markRead(newest?.id ?? '');
    expect(store.snapshot.items[0]).toEqual(middle);
    await world.pass(50);
    void store.archive(middle?.id ?? '');
    await world.pass(50);
    expect(store.snapshot.items.length).toBe(1);
    expect(store.snapshot.undoable).toMatchObject({ what: 'archived', id: middle?.id });
    void store.undo();
    await world.pass(50);
    hub.pump();
    await world.pass(50);
    expect(store.snapshot.items.map(({ id }) => id)[0]).toBe(middle?.id);
    expect(store.snapshot.undoable).toBe(null);
  });

  test('marking all can be undone for ten minutes', async () => {
    for (let index = 0; index < 3; index += 1) hub.deliver('news');
    const store = begin({ categories: ['news'] });
    await world.pass(1_000);
    void store.markAllRead();
    expect(store.snapshot.unread.value).toBe(0);
    await world.pass(100);
    expect(store.snapshot.undoable).toMatchObject({ what: 'allRead', count: 3 });
    void store.undo();
    expect([store.snapshot.unread.value, store.snapshot.items.every(({ readAt }) => readAt === null)]).toEqual([3, true]);
    await world.pass(1_000);
    hub.pump();
    await world.pass(1_000);
    expect([store.snapshot.unread.value, store.snapshot.categories.get('news')?.value]).toEqual([3, 3]);
    void store.markAllRead();
    await world.pass(100);
    expect(store.snapshot.undoable).not.toBe(null);
    for (let second = 0; second < 610; second += 10) {
      hub.beat();
      await world.pass(10_000);
    }
    expect(store.snapshot.undoable).toBe(null);
  });

  test('a list that leaves the screen is filled up again', async () => {
    for (let index = 0; index < 12; index += 1) hub.deliver(null);
    const store = begin();
    await world.pass(1_000);
    expect(store.snapshot.items.length).toBe(5);
    for (const { id } of store.snapshot.items) void store.archive(id);
    await world.pass(1_000);
    expect(store.snapshot.items.length).toBeGreaterThanOrEqual(5);
  });

  test('an arrival is told once, and nothing of what was there before', async () => {
    hub.deliver(null);
    const store = begin();
    const arrived: string[] = [];
    store.addEventListener('arrived', (event) => arrived.push((event as CustomEvent<{ id: string }>).detail.id));
    await world.pass(1_000);
    const { id } = hub.deliver(null);
    hub.pump();
    await world.pass(100);
    network.drop();
    await world.pass(2_000);
    expect(arrived).toEqual([id]);
  });
});

describe('stopping', () => {
  test('leaves no timer, no listener and no socket, and can be begun again', async () => {
    hub.deliver(null);
    const store = begin();
    await world.pass(1_000);
    void store.markAllRead();
    await world.pass(100);
    store.stop();
    await world.pass(20_000);
    expect([world.timers, network.sockets]).toEqual([0, 0]);
    const { length } = network.dialled;
    world.online();
    await world.pass(1_000);
    expect(network.dialled.length).toBe(length);
    hub.deliver(null);
    store.start();
    await world.pass(1_000);
    expect([store.snapshot.link, store.snapshot.items.length]).toEqual(['live', 2]);
  });
});

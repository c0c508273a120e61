import { afterEach, beforeEach, expect, test } from 'vitest';
import { createStore } from '../../src/inbox/store';
import type { InboxStore } from '../../src/inbox/types';
import { FakeHub } from './hub';
import { FakeNetwork } from './network';
import { World } from './world';

let world: World;
let hub: FakeHub;
let tabs: { readonly store: InboxStore; readonly network: FakeNetwork }[] = [];

async function open(token: string | null = null, userId = 'ann', endpoint = ''): Promise<(typeof tabs)[number]> {
  const network = new FakeNetwork(hub);
  const store = createStore({ endpoint, userId, token: async () => token, categories: [], pageSize: 5 }, network);
  tabs.push({ store, network });
  store.start();
  await world.pass(100);
  return { store, network };
}

const sockets = (): number => tabs.reduce((sum, { network }) => sum + network.sockets, 0);
const shown = (): string[][] => tabs.map(({ store }) => store.snapshot.items.map(({ id }) => id));

beforeEach(() => {
  world = new World({ sharing: true });
  hub = new FakeHub();
});

afterEach(() => {
  for (const { store } of tabs) store.stop();
  tabs = [];
  world.end();
});

test('tabs share one socket, and each shows its own part of what that tells', async () => {
  for (const _ of [1, 2, 3]) await open();
  tabs[2]?.store.setFilter({ unread: false, archived: false, category: 'news' });
  await world.pass(100);
  expect(sockets()).toBe(1);
  const [other, news] = [hub.deliver(null), hub.deliver('news')];
  hub.pump();
  await world.pass(100);
  expect(shown()).toEqual([[news.id, other.id], [news.id, other.id], [news.id]]);
  expect(tabs.map(({ store }) => store.snapshot.link)).toEqual(['live', 'live', 'live']);
  expect(tabs.map(({ store }) => store.snapshot.unread.value)).toEqual([2, 2, 2]);
});

test('what one tab does is done in all, before the hub tells of it', async () => {
  for (let index = 0; index < 3; index += 1) hub.deliver(null);
  const first = await open();
  const second = await open();
  await world.pass(1_000);
  void second.store.markRead(second.store.snapshot.items[0]?.id ?? '');
  await world.pass(20);
  expect(first.store.snapshot.items.map(({ readAt }) => readAt !== null)).toEqual([true, false, false]);
  expect(first.store.snapshot.unread.value).toBe(2);
  void second.store.markAllRead();
  await world.pass(20);
  expect(first.store.snapshot.items.map(({ readAt }) => readAt !== null)).toEqual([true, true, true]);
});

test('when the one with the socket goes, the next goes on after the last event, and all are exact', async () => {
  const first = await open();
  const second = await open();
  const third = await open();
  const before = hub.deliver(null);
  hub.pump();
  await world.pass(100);
  first.store.stop();
  tabs.shift();
  const meanwhile = hub.deliver(null);
  hub.pump();
  await world.pass(1_000);
  expect(sockets()).toBe(1);
  expect(String(second.network.dialled[0]?.variables.after) > before.updatedAt).toBe(true);
  expect(shown()).toEqual([[meanwhile.id, before.id], [meanwhile.id, before.id]]);
  expect(third.network.dialled).toEqual([]);
});

test('a tab that was told of one event less than another lists afresh', async () => {
  await open();
  const second = await open();
  world.mute(1);
  const missed = hub.deliver(null);
  hub.pump();
  await world.pass(100);
  expect(second.store.snapshot.items).toEqual([]);
  world.mute(1, false);
  const next = hub.deliver(null);
  hub.pump();
  await world.pass(100);
  expect(second.store.snapshot.items.map(({ id }) => id)).toEqual([next.id, missed.id]);
});

test('the lock is taken from a tab that does not answer, which then follows', async () => {
  const first = await open();
  const second = await open();
  expect([first.network.sockets, second.network.sockets]).toEqual([1, 0]);
  // Frozen: neither hears nor says anything.
  world.mute(0);
  first.network.silence();
  await world.pass(70_000);
  expect(second.network.sockets).toBe(1);
  expect(second.store.snapshot.link).toBe('live');
  expect(first.network.sockets).toBe(0);
});

test('names tell apart callers, users and hubs, and nothing of a token', async () => {
  const part = (of: object): string => btoa(JSON.stringify(of)).replaceAll('=', '');
  const jwt = (claims: object): string => `e30.${part(claims)}.secret`;
  await open(jwt({ sub: 'ann', tenant: 'a', iat: 1, exp: 9999999999 }));
  await open(jwt({ sub: 'ann', tenant: 'a', iat: 2, exp: 9999999998 }));
  expect(world.channels.length).toBe(1);
  await open(jwt({ sub: 'ann', tenant: 'b', iat: 1, exp: 9999999999 }));
  await open('opaque-secret');
  await open('opaque-secret', 'bob');
  await open('opaque-secret', 'ann', 'https://other.example');
  expect(world.channels.length).toBe(5);
  for (const name of world.channels) expect(name).toMatch(/^notification-inbox:1:[0-9a-f]{64}$/);
  expect(sockets()).toBe(5);
});

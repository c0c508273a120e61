import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { dial } from '../../src/inbox/socket';
import type { InboxEvent, Refusal } from '../../src/inbox/wire';
import { World } from './world';

/** The browser's, with the hub's part in the test's hands. */
class FakeSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  static last: FakeSocket;
  readyState = FakeSocket.CONNECTING;
  sent: { readonly type: string; readonly id?: string; readonly payload?: Record<string, unknown> }[] = [];
  onopen: (() => void) | null = null;
  onclose: ((event: object) => void) | null = null;
  onmessage: ((event: object) => void) | null = null;
  onerror: ((event: object) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.last = this;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as FakeSocket['sent'][number]);
  }

  close(): void {
    this.readyState = FakeSocket.CLOSED;
  }

  open(): void {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  closed(code: number): void {
    this.readyState = FakeSocket.CLOSED;
    this.onclose?.({ code, reason: '', wasClean: true });
  }

  get id(): string {
    return this.sent.find(({ type }) => type === 'subscribe')?.id ?? '';
  }
}

let world: World;
let events: InboxEvent[];
let ends: { readonly refused: boolean; readonly why: Refusal | null }[];

function call(): ReturnType<typeof dial> {
  return dial({
    url: 'ws://hub.example/graphql',
    token: 'secret',
    document: { documentId: 'sha256:1' },
    variables: { userId: 'ann', after: 'cursor' },
    event: (event) => events.push(event),
    end: (refused, why) => ends.push({ refused, why }),
  });
}

async function live(): Promise<ReturnType<typeof dial>> {
  const connection = call();
  await world.pass(1);
  FakeSocket.last.open();
  await world.pass(1);
  FakeSocket.last.say({ type: 'connection_ack' });
  await world.pass(1);
  FakeSocket.last.say({ type: 'next', id: FakeSocket.last.id, payload: { data: { inboxEvents: { kind: 'HEARTBEAT' } } } });
  return connection;
}

/** Answers its pings, as a socket does whose stream is dead. */
async function passWithPongs(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    const pings = FakeSocket.last.sent.filter(({ type }) => type === 'ping').length;
    await world.pass(1_000);
    if (FakeSocket.last.sent.filter(({ type }) => type === 'ping').length > pings) FakeSocket.last.say({ type: 'pong' });
  }
}

beforeEach(() => {
  world = new World();
  vi.stubGlobal('WebSocket', FakeSocket);
  events = [];
  ends = [];
});

afterEach(() => world.end());

test('the token is in the first message alone, and the document by the name it is given', async () => {
  await live();
  const [init, subscribe] = FakeSocket.last.sent;
  expect(FakeSocket.last.url).toBe('ws://hub.example/graphql');
  expect(init).toEqual({ type: 'connection_init', payload: { Authorization: 'Bearer secret' } });
  expect(subscribe?.payload).toEqual({ query: '', documentId: 'sha256:1', variables: { userId: 'ann', after: 'cursor' } });
  expect(events).toEqual([{ kind: 'HEARTBEAT' }]);
});

test('a stream that is silent for two heartbeats is dead, though its socket answers', async () => {
  await live();
  await passWithPongs(30);
  expect(ends).toEqual([]);
  await passWithPongs(4);
  expect(ends).toEqual([{ refused: false, why: null }]);
});

test('a socket that does not answer a ping is dead', async () => {
  await live();
  await world.pass(18_000);
  expect(ends.length).toBe(1);
});

test('a probe finds out at once', async () => {
  const connection = await live();
  connection.probe();
  FakeSocket.last.say({ type: 'pong' });
  await world.pass(6_000);
  expect(ends).toEqual([]);
  connection.probe();
  await world.pass(6_000);
  expect(ends.length).toBe(1);
});

test('what never opens is given up', async () => {
  call();
  await world.pass(11_000);
  expect(ends).toEqual([{ refused: false, why: null }]);
});

test.each([
  [4403, true],
  [4401, true],
  [1012, false],
  [1006, false],
])('a close with %i ends it; refused: %s', async (code, refused) => {
  await live();
  FakeSocket.last.closed(code);
  await world.pass(10);
  expect(ends).toEqual([{ refused, why: null }]);
  await world.pass(60_000);
  expect(ends.length).toBe(1);
  expect(world.timers).toBe(0);
});

test('a refused subscription says why', async () => {
  call();
  await world.pass(1);
  FakeSocket.last.open();
  await world.pass(1);
  FakeSocket.last.say({ type: 'connection_ack' });
  await world.pass(1);
  const error = { message: 'The cursor is not good.', extensions: { code: 'INVALID_ARGUMENT' } };
  FakeSocket.last.say({ type: 'error', id: FakeSocket.last.id, payload: [error] });
  await world.pass(10);
  expect(ends.map(({ refused, why }) => [refused, why?.code])).toEqual([[false, 'INVALID_ARGUMENT']]);
});

test('closing it from here leaves nothing behind and says nothing', async () => {
  const connection = await live();
  connection.close();
  await world.pass(60_000);
  expect([ends, FakeSocket.last.readyState, world.timers]).toEqual([[], FakeSocket.CLOSED, 0]);
});

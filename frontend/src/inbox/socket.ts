import { createClient } from 'graphql-ws';
import type { Named } from './documents';
import { type InboxEvent, type Refusal, refusalOf, type WireError } from './wire';

/** The hub sends a heartbeat every 15 seconds: after two that did not come nobody is there any more. */
export const SILENCE_MS = 32_000;
const FIRST_MS = 10_000;
const PING_MS = 12_000;
const PONG_MS = 5_000;
const REFUSED = new Set([4401, 4403]);

export interface Dialled {
  readonly url: string;
  readonly token: string | null;
  readonly document: Named;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly event: (event: InboxEvent) => void;
  /** Called once, unless it is closed from here. `refused`: the hub does not take the token. */
  readonly end: (refused: boolean, why: Refusal | null) => void;
}

export interface Connection {
  close(): void;
  /** Finds out at once whether somebody is there: after a sleep, or in another network. */
  probe(): void;
}

export type Dial = (dialled: Dialled) => Connection;

/**
 * One socket with one subscription. It never comes back by itself: graphql-ws would repeat its first payload, with a cursor
 * of long ago.
 */
export const dial: Dial = ({ url, token, document, variables, event, end }) => {
  let socket: WebSocket | null = null;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let pong: ReturnType<typeof setTimeout> | undefined;
  let ended = false;

  const finish = (): boolean => {
    if (ended) return false;
    ended = true;
    clearTimeout(silence);
    clearTimeout(pong);
    return true;
  };
  const fail = (refused: boolean, why: Refusal | null = null): void => {
    if (!finish()) return;
    client.terminate();
    end(refused, why);
  };
  const expect = (ms: number): void => {
    clearTimeout(silence);
    silence = setTimeout(() => fail(false), ms);
  };
  const expectPong = (): void => {
    pong ??= setTimeout(() => fail(false), PONG_MS);
  };

  const client = createClient({
    url,
    retryAttempts: 0,
    keepAlive: PING_MS,
    // Never in the address: addresses are logged.
    ...(token === null ? {} : { connectionParams: { Authorization: `Bearer ${token}` } }),
    on: {
      opened: (opened) => {
        socket = opened as WebSocket;
      },
      ping: (received) => {
        if (!received) expectPong();
      },
      pong: (received) => {
        if (!received) return;
        clearTimeout(pong);
        pong = undefined;
      },
      closed: (closed) => fail(REFUSED.has((closed as CloseEvent).code)),
    },
  });
  expect(FIRST_MS);
  client.subscribe<{ readonly inboxEvents: InboxEvent }>(
    // The library wants a text; an empty one is none to the hub where the document is named by its hash.
    { query: '', ...document, variables: { ...variables } },
    {
      next: ({ data, errors }) => {
        if (ended) return;
        if (errors?.[0] !== undefined) return failed(errors[0] as WireError);
        expect(SILENCE_MS);
        if (data) event(data.inboxEvents);
      },
      // A list is of GraphQL's errors; anything else is of the socket, whose closing says more.
      error: (error) => (Array.isArray(error) ? failed(error[0] as WireError) : setTimeout(() => fail(false))),
      complete: () => setTimeout(() => fail(false)),
    },
  );

  function failed(error: WireError): void {
    const refusal = refusalOf(error);
    fail(refusal.fault === 'refused', refusal);
  }

  return {
    close: () => {
      if (finish()) void client.dispose();
    },
    probe: () => {
      if (ended || socket?.readyState !== WebSocket.OPEN) return;
      socket.send('{"type":"ping"}');
      expectPong();
    },
  };
};

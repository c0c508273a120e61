// What Relay's compiler made of Inbox.ts, run by Relay's runtime; subscriptions go through the client graphql-ws.
// Usage: node relay.js BASE_URL
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createClient } from 'graphql-ws';
import {
  commitLocalUpdate,
  commitMutation,
  ConnectionHandler,
  createOperationDescriptor,
  Environment,
  fetchQuery,
  type GraphQLResponse,
  type GraphQLTaggedNode,
  getRequest,
  type MutationParameters,
  Network,
  Observable,
  type OperationType,
  RecordSource,
  requestSubscription,
  Store,
} from 'relay-runtime';
import { WebSocket } from 'ws';
import createDocument, { type InboxCreateMutation } from './generated/relay/InboxCreateMutation.graphql';
import deleteDocument, { type InboxDeleteMutation } from './generated/relay/InboxDeleteMutation.graphql';
import eventsDocument, { type InboxEventsSubscription } from './generated/relay/InboxEventsSubscription.graphql';
import everythingDocument, { type InboxEverythingQuery } from './generated/relay/InboxEverythingQuery.graphql';
import refetchDocument, { type InboxItemRefetchQuery } from './generated/relay/InboxItemRefetchQuery.graphql';
import readDocument, { type InboxMarkReadMutation } from './generated/relay/InboxMarkReadMutation.graphql';
import paginationDocument, { type InboxPaginationQuery } from './generated/relay/InboxPaginationQuery.graphql';
import queryDocument, { type InboxQuery } from './generated/relay/InboxQuery.graphql';

// Relay says on the console what it finds wrong with a server's answers; none of that may pass unheard.
const warnings: string[] = [];
const print = console.error;
console.error = (...said: unknown[]) => void warnings.push(said.map(String).join(' '));

const base = process.argv[2] ?? '';
const user = `relay-${randomUUID()}`;

const sockets = createClient({
  url: `${base.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  retryAttempts: 0,
});

const environment = new Environment({
  network: Network.create(
    async (request, variables) => {
      const answer = await fetch(`${base}/graphql`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' },
        body: JSON.stringify({ query: request.text, variables, operationName: request.name }),
      });
      return (await answer.json()) as GraphQLResponse;
    },
    (request, variables) =>
      Observable.create((sink) =>
        sockets.subscribe(
          { query: request.text ?? '', variables, operationName: request.name },
          { next: (value) => sink.next(value as GraphQLResponse), error: sink.error, complete: sink.complete },
        ),
      ),
  ),
  store: new Store(new RecordSource()),
});

async function query<T extends OperationType>(document: GraphQLTaggedNode, variables: T['variables']): Promise<T['response']> {
  environment.retain(createOperationDescriptor(getRequest(document), variables));
  const data = await fetchQuery<T>(environment, document, variables).toPromise();
  assert.ok(data);
  return data;
}

function mutate<T extends MutationParameters>(mutation: GraphQLTaggedNode, variables: T['variables']): Promise<T['response']> {
  return new Promise((resolve, reject) => {
    commitMutation<T>(environment, {
      mutation,
      variables,
      onCompleted: (response, errors) => (errors?.length ? reject(new Error(JSON.stringify(errors))) : resolve(response)),
      onError: reject,
    });
  });
}

type Loaded = { ids: string[]; key: string; cursor: string | null; more: boolean };

// What Relay's store holds of a connection, with all its pages put together.
function loaded(owner: string, key: string, filters?: Record<string, string>): Loaded {
  const found: Loaded = { ids: [], key: '', cursor: null, more: false };
  commitLocalUpdate(environment, (store) => {
    const record = owner ? store.get(owner) : store.getRoot();
    const connection = record && ConnectionHandler.getConnection(record, key, filters);
    assert.ok(connection, `no connection ${key}`);
    found.key = connection.getDataID();
    found.ids = (connection.getLinkedRecords('edges') ?? []).map((edge) => String(edge.getLinkedRecord('node')?.getValue('id')));
    const info = connection.getLinkedRecord('pageInfo');
    found.cursor = (info?.getValue('endCursor') as string | null | undefined) ?? null;
    found.more = info?.getValue('hasNextPage') === true;
  });
  return found;
}

function valueOf(id: string, name: string): unknown {
  return environment.getStore().getSource().get(id)?.[name];
}

async function create(title: string, connections: string[] = []): Promise<string> {
  const { createNotification } = await mutate<InboxCreateMutation>(createDocument, {
    input: { userId: user, title, message: 'By Relay', type: 'in_app', metadata: { from: 'relay' } },
    connections,
  });
  assert.ok(createNotification);
  assert.equal(createNotification.idempotencyReplayed, false);
  return createNotification.notification.id;
}

// A subscription whose events can be waited for; Relay's store takes in what they carry.
function watch(after: string | null) {
  type Event = InboxEventsSubscription['response']['inboxEvents'];
  const events: Event[] = [];
  let wake = () => {};
  const subscription = requestSubscription<InboxEventsSubscription>(environment, {
    subscription: eventsDocument,
    variables: { userId: user, after },
    onNext: (response) => {
      assert.ok(response);
      events.push(response.inboxEvents);
      wake();
    },
    onError: (error) => {
      throw error;
    },
  });
  async function until(what: (event: Event) => boolean): Promise<Event> {
    for (;;) {
      const found = events.find(what);
      if (found) return found;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  return { until, end: () => subscription.dispose() };
}

async function main() {
  const stream = watch(null);
  const heartbeat = await stream.until((event) => event.kind === 'HEARTBEAT');
  const ids: string[] = [];
  for (const title of ['one', 'two', 'three', 'four', 'five']) {
    const id = await create(title);
    await stream.until((event) => event.kind === 'CHANGED' && event.notification?.id === id);
    assert.equal(valueOf(id, 'status'), 'DELIVERED');
    ids.unshift(id);
  }
  stream.end();

  // Pages of two: the pagination query that the compiler made asks node(id: …), and the runtime appends.
  const { user: found } = await query<InboxQuery>(queryDocument, { id: user });
  assert.ok(found);
  let inbox = loaded(found.id, 'Inbox_inbox');
  assert.deepEqual(inbox.ids, ids.slice(0, 2));
  for (let page = 0; inbox.more; page += 1) {
    assert.ok(page < 2);
    await query<InboxPaginationQuery>(paginationDocument, { id: found.id, count: 2, cursor: inbox.cursor });
    inbox = loaded(found.id, 'Inbox_inbox');
  }
  assert.deepEqual(inbox.ids, ids);

  // Whole tenant, both directions.
  await query<InboxEverythingQuery>(everythingDocument, { first: 2, userId: user });
  let all = loaded('', 'Inbox_notifications', { userId: user });
  assert.deepEqual(all.ids, ids.slice(0, 2));
  await query<InboxEverythingQuery>(everythingDocument, { first: 100, after: all.cursor, userId: user });
  all = loaded('', 'Inbox_notifications', { userId: user });
  assert.deepEqual([all.ids, all.more], [ids, false]);
  await query<InboxEverythingQuery>(everythingDocument, { last: 2, userId: user });
  assert.deepEqual(loaded('', 'Inbox_notifications', { userId: user }).ids, ids.slice(-2));

  // A refetch of one by its node id, a mutation that the store takes in by id, and edges that come and go.
  const oldest = ids[4] ?? '';
  const { node } = await query<InboxItemRefetchQuery>(refetchDocument, { id: oldest });
  assert.ok(node);
  await mutate<InboxMarkReadMutation>(readDocument, { input: { id: oldest } });
  assert.equal(valueOf(oldest, 'status'), 'READ');
  assert.equal(typeof valueOf(oldest, 'readAt'), 'string');
  const newest = await create('six', [inbox.key]);
  assert.deepEqual(loaded(found.id, 'Inbox_inbox').ids, [newest, ...ids]);
  await mutate<InboxDeleteMutation>(deleteDocument, { input: { id: oldest }, connections: [inbox.key] });
  assert.deepEqual(loaded(found.id, 'Inbox_inbox').ids, [newest, ...ids.slice(0, 4)]);

  // A stream resumed from its first cursor tells what has become of all of it since.
  const resumed = watch(heartbeat.cursor);
  await resumed.until((event) => event.kind === 'REMOVED' && event.notification?.id === oldest);
  await resumed.until((event) => event.kind === 'CHANGED' && event.notification?.id === newest && event.unreadCount === 5);
  resumed.end();

  // An error reaches Relay as one: a null payload and its extensions.
  await assert.rejects(mutate<InboxMarkReadMutation>(readDocument, { input: { id: oldest } }), /NOT_FOUND/);
  await sockets.dispose();
  assert.deepEqual(warnings, []);
}

main().catch((error: unknown) => {
  print(error, warnings);
  process.exit(1);
});

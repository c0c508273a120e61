// A client generated from docs/openapi.json: types by openapi-typescript, calls by openapi-fetch.
// Usage: node rest.js BASE_URL
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import createClient from 'openapi-fetch';
import type { components, paths } from './generated/openapi';

type Notification = components['schemas']['Notification'];
type Problem = components['schemas']['Problem'];

const client = createClient<paths>({ baseUrl: process.argv[2] ?? '' });
const user = `rest-${randomUUID()}`;

function create(body: components['schemas']['NewNotification'], key: string) {
  return client.POST('/api/v1/notifications', { body, params: { header: { 'Idempotency-Key': key } } });
}

async function created(title: string): Promise<Notification> {
  const { data, error } = await create(
    { user_id: user, title, message: 'From a generated client', type: 'in_app', metadata: { priority: 'high', order: 7 } },
    randomUUID(),
  );
  if (error) throw new Error(`${error.code} ${error.reason}: ${error.detail}`);
  return data;
}

async function creates() {
  const key = randomUUID();
  const body = { user_id: user, title: 'by mail', message: 'Hello', type: 'email', to: 'someone@example.org' };
  const first = await create(body, key);
  assert.equal(first.response.status, 201);
  assert.equal(first.response.headers.get('Location'), `/api/v1/notifications/${first.data?.id}`);
  const again = await create(body, key);
  assert.equal(again.data?.id, first.data?.id);
  assert.equal(again.response.headers.get('Idempotency-Replayed'), 'true');
  // So that the metrics know of every channel.
  await create({ ...body, type: 'sms', to: '+15550100' }, randomUUID());
}

async function gets() {
  const { id } = await created('one');
  const { data } = await client.GET('/api/v1/notifications/{notification_id}', {
    params: { path: { notification_id: id } },
  });
  assert.ok(data);
  assert.equal(data.user_id, user);
  assert.equal(data.priority, 'high');
  assert.deepEqual(data.metadata, { priority: 'high', order: 7 });
  const readAt: string | null = data.read_at;
  assert.equal(readAt, null);
}

async function pages() {
  const wanted = [(await created('two')).id, (await created('three')).id];
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const query: { limit: number; type: string; after?: string } = { limit: 1, type: 'in_app', ...(after && { after }) };
    const page: { data?: components['schemas']['NotificationPage']; error?: Problem } = await client.GET(
      '/api/v1/users/{user_id}/notifications',
      { params: { path: { user_id: user }, query } },
    );
    assert.ok(page.data, page.error?.detail);
    seen.push(...page.data.items.map((item) => item.id));
    after = page.data.next_cursor;
  } while (after !== null);
  assert.equal(seen.length, 3);
  assert.deepEqual(seen.slice(0, 2), wanted.reverse());
}

async function problems() {
  const wrong = await create({ user_id: user, title: '', message: 'x', type: 'in_app' }, randomUUID());
  assert.equal(wrong.response.status, 422);
  assert.match(wrong.response.headers.get('Content-Type') ?? '', /^application\/problem\+json/);
  const problem: Problem | undefined = wrong.error;
  assert.ok(problem);
  assert.equal(problem.code, 'INVALID_ARGUMENT');
  assert.deepEqual(problem.violations.map((violation) => violation.field), ['title']);

  const missing = await client.GET('/api/v1/notifications/{notification_id}', {
    params: { path: { notification_id: randomUUID() } },
  });
  assert.equal(missing.error?.code, 'NOT_FOUND');
  assert.equal(missing.error?.correlation_id, missing.response.headers.get('X-Correlation-Id'));
}

// Never called: what the types must refuse.
export function refused() {
  // @ts-expect-error -- a field is missing
  void client.POST('/api/v1/notifications', { body: { user_id: user, title: 'x', message: 'y' } });
  // @ts-expect-error -- no such status
  void client.GET('/api/v1/notifications', { params: { query: { status: 'lost' } } });
  // @ts-expect-error -- no such operation
  void client.PUT('/api/v1/notifications', {});
}

async function main() {
  for (const step of [creates, gets, pages, problems]) await step();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});

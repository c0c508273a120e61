// gRPC by @grpc/grpc-js, with the contract taken from files and from the hub's own reflection (both its versions).
// Usage: node rpc.mjs HOST:PORT FOLDER_OF_PROTOS
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import reflection from 'grpc-js-reflection-client';

const [target, folder] = process.argv.slice(2);
const credentials = grpc.credentials.createInsecure();
const options = { keepCase: true, longs: String, enums: String, oneofs: true };

function fromFiles() {
  const names = ['notifications', 'users', 'health'].map((name) => `hub/v1/${name}.proto`);
  return grpc.loadPackageDefinition(loader.loadSync(names, { ...options, includeDirs: [folder] })).hub.v1;
}

async function fromReflection(version) {
  const asked = new reflection.GrpcReflection(target, credentials, {}, version);
  const services = await asked.listServices();
  for (const name of ['NotificationService', 'UserService', 'HealthService']) assert.ok(services.includes(`hub.v1.${name}`));
  const described = {};
  for (const name of ['NotificationService', 'UserService', 'HealthService']) {
    Object.assign(described, (await asked.getDescriptorBySymbol(`hub.v1.${name}`)).getPackageObject(options).hub.v1);
  }
  return described;
}

// The messages of an error's details; they are told by reflection as well.
async function detailTypes() {
  const asked = new reflection.GrpcReflection(target, credentials, {}, 'v1');
  const types = {};
  for (const name of ['google.rpc.Status', 'google.rpc.ErrorInfo']) {
    const root = (await asked.getDescriptorBySymbol(name)).getProtobufJsRoot();
    for (const type of ['Status', 'ErrorInfo', 'BadRequest', 'RequestInfo']) {
      try {
        types[`google.rpc.${type}`] = root.lookupType(`google.rpc.${type}`);
      } catch {
        // In the other file.
      }
    }
  }
  return types;
}

function detailsOf(error, types) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = types['google.rpc.Status'].decode(bytes);
  assert.equal(status.code, error.code);
  const told = {};
  for (const { type_url: url, typeUrl, value } of status.details) {
    const name = (url ?? typeUrl).split('/').pop();
    if (types[name]) told[name.split('.').pop()] = types[name].toObject(types[name].decode(value));
  }
  return told;
}

function unary(client, name, request) {
  return new Promise((resolve, reject) => {
    client[name](request, { deadline: Date.now() + 10_000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

async function refusal(client, name, request) {
  return unary(client, name, request).then(() => assert.fail(`${name} was not refused`), (error) => error);
}

// How @grpc/proto-loader writes what is not plain: its own Struct, which files take, has other names than the contract's,
// and a map that a descriptor tells becomes a list of its entries.
const files = { map: (object) => object, object: (map) => map, text: 'stringValue', number: 'numberValue' };
const descriptors = {
  map: (object) => Object.entries(object).map(([key, value]) => ({ key, value })),
  object: (entries) => Object.fromEntries(entries.map(({ key, value }) => [key, value])),
  text: 'string_value',
  number: 'number_value',
};

async function speak(api, types, dialect) {
  const client = new api.NotificationService(target, credentials);
  const user = `rpc-${randomUUID()}`;
  const item = (title) => ({ user_id: user, title, message: 'From JavaScript', type: 'in_app', idempotency_key: randomUUID() });

  // Unary, with a page token, timestamps and a Struct.
  const metadata = { fields: dialect.map({ category: { [dialect.text]: 'foreign' }, order: { [dialect.number]: 7 } }) };
  const later = { ...item('later'), metadata, scheduled_at: { seconds: '1900000000', nanos: 0 } };
  const { notification: scheduled } = await unary(client, 'CreateNotification', later);
  assert.equal(scheduled.status, 'NOTIFICATION_STATUS_SCHEDULED');
  assert.equal(scheduled.scheduled_at.seconds, '1900000000');
  assert.equal((await unary(client, 'CreateNotification', later)).idempotency_replayed, true);
  const { notification } = await unary(client, 'GetNotification', { notification_id: scheduled.id });
  assert.equal(notification.category, 'foreign');
  assert.equal(dialect.object(notification.metadata.fields).order[dialect.number], 7);
  await unary(client, 'UpdateNotificationStatus', { notification_id: scheduled.id, status: 'NOTIFICATION_STATUS_CANCELLED' });

  // A stream of the server: a heartbeat at once, then what happens.
  const watch = client.WatchInbox({ user_id: user });
  const events = watch[Symbol.asyncIterator]();
  const next = async () => (await events.next()).value.event;
  assert.equal((await next()).kind, 'EVENT_KIND_HEARTBEAT');

  // Both directions: an acknowledgement for each item, whatever becomes of the others.
  const call = client.CreateNotifications({ deadline: Date.now() + 20_000 });
  const results = [];
  call.on('data', (result) => results.push(result));
  const ended = once(call, 'end');
  for (const one of [item('one'), { ...item('two'), title: '' }, item('three')]) call.write({ notification: one });
  call.end();
  await ended;
  results.sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  assert.deepEqual(results.map((result) => result.index ?? 0), [0, 1, 2]);
  assert.equal(results[1].error.code, 'INVALID_ARGUMENT');
  assert.deepEqual(results[1].error.violations.map((violation) => violation.field), ['title']);
  const made = new Set([results[0].notification.id, results[2].notification.id]);

  const waiting = new Set(made);
  let last;
  while (waiting.size > 0) {
    last = await next();
    if (last.kind === 'EVENT_KIND_CHANGED') waiting.delete(last.notification.id);
  }
  assert.equal(last.unread_count, 2);
  watch.on('error', () => {}); // Its own cancellation.
  watch.cancel();

  const first = await unary(client, 'ListInbox', { user_id: user, page_size: 1 });
  const second = await unary(client, 'ListInbox', { user_id: user, page_size: 1, page_token: first.next_page_token });
  assert.deepEqual(new Set([...first.notifications, ...second.notifications].map((one) => one.id)), made);
  assert.equal(second.next_page_token ?? '', '');

  // Errors and what they carry.
  const wrong = await refusal(client, 'CreateNotification', { ...item('x'), user_id: '' });
  assert.equal(wrong.code, grpc.status.INVALID_ARGUMENT);
  const details = detailsOf(wrong, types);
  assert.equal(details.ErrorInfo.domain, 'hub');
  assert.match(details.ErrorInfo.reason, /^[A-Z_]+$/);
  assert.deepEqual((details.BadRequest.fieldViolations ?? details.BadRequest.field_violations).map((one) => one.field), ['user_id']);
  const correlation = details.RequestInfo.requestId ?? details.RequestInfo.request_id;
  assert.deepEqual(wrong.metadata.get('x-correlation-id'), [correlation]);
  const missing = await refusal(client, 'GetNotification', { notification_id: randomUUID() });
  assert.equal(missing.code, grpc.status.NOT_FOUND);
  assert.ok(detailsOf(missing, types).ErrorInfo.reason);

  // The other two services.
  const users = new api.UserService(target, credentials);
  await unary(users, 'UpdateUser', { user_id: user, contact_points: dialect.map({ email: 'someone@example.org' }), locale: 'en' });
  assert.equal(dialect.object((await unary(users, 'GetUser', { user_id: user })).user.contact_points).email, 'someone@example.org');
  assert.equal((await unary(users, 'DeleteUser', { user_id: user })).notifications, 3);
  const health = new api.HealthService(target, credentials);
  assert.ok(await unary(health, 'GetHealth', {}));
  for (const one of [client, users, health]) one.close();
}

const types = await detailTypes();
await speak(fromFiles(), types, files);
for (const version of ['v1', 'v1alpha']) await speak(await fromReflection(version), types, descriptors);
process.exit(0);

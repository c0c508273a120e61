import { Kind, parse } from 'graphql';

/** The documents that clients run and the tests run too; nothing is written twice. */
const documents = import.meta.glob('../../graphql/operations/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** Values with which a document can be run at once, or shows what to put there. */
const VARIABLES = {
  CreateNotification: {
    input: {
      userId: 'user123',
      title: 'Welcome!',
      message: 'Welcome to our platform',
      type: 'in_app',
      metadata: { priority: 'high', category: 'welcome' },
    },
  },
  CreateNotifications: {
    input: {
      notifications: [
        { userId: 'user123', title: 'Welcome!', message: 'Welcome to our platform', type: 'in_app' },
        { userId: 'user456', title: 'Welcome!', message: 'Welcome to our platform', type: 'email' },
      ],
    },
  },
  CreateKey: { input: { name: 'shop', scopes: ['notifications:write'] } },
  DeleteUser: { input: { userId: 'user123' } },
  IssueUserToken: { input: { userId: 'user123', lifetimeSeconds: 900 } },
  MarkAllRead: { input: { userId: 'user123' } },
  MarkAllSeen: { input: { userId: 'user123' } },
  PurgeDeadLetters: { input: { filter: { createdBefore: '2020-01-31T08:00:00Z' } } },
  ReplayDeadLetters: { input: { filter: { type: 'email' }, dryRun: true } },
  RevokeKey: { input: { keyId: 'the id of a key' } },
  RotateKey: { input: { keyId: 'the id of a key', overlapSeconds: 3600 } },
  UndoMarkAll: { input: { userId: 'user123', operationId: 'what marking all answered' } },
  UpdateUser: {
    input: { userId: 'user123', contactPoints: { email: 'user123@example.test' }, locale: 'en', timezone: 'Europe/Berlin' },
  },
  UpdateNotificationStatus: { input: { id: 'the id of a notification', status: 'CANCELLED' } },
};

/** What opens on the first visit. */
const OPENED_FIRST = ['CreateNotification', 'InboxEvents', 'Inbox', 'ListNotifications'];

function placeholder({ variable, type, defaultValue }) {
  if (type.kind !== Kind.NON_NULL_TYPE || defaultValue) return undefined;
  if (variable.name.value === 'userId') return 'user123';
  return variable.name.value === 'input' ? { id: 'the id of a notification' } : 'the id of a notification';
}

function example(query) {
  const operation = parse(query).definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const name = operation.name.value;
  const declared = operation.variableDefinitions ?? [];
  const guessed = Object.fromEntries(declared.map((one) => [one.variable.name.value, placeholder(one)]));
  return {
    name,
    kind: operation.operation,
    query,
    variables: JSON.stringify(VARIABLES[name] ?? guessed, null, 2),
  };
}

/** Every document as `{name, kind, query, variables}`, by name. */
export const examples = Object.values(documents)
  .map(example)
  .sort((a, b) => (a.name < b.name ? -1 : 1));

/** Those for the first visit, as GraphiQL's tabs. */
export const firstTabs = OPENED_FIRST.map((name) => examples.find((one) => one.name === name)).map(
  ({ query, variables }) => ({ query, variables }),
);

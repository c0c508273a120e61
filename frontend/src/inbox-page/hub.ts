import createNotification from '../../../graphql/operations/create_notification.graphql?raw';
import issueUserToken from '../../../graphql/operations/issue_user_token.graphql?raw';
import notificationEvents from '../../../graphql/operations/notification_events.graphql?raw';
import { Naming } from '../inbox/documents';

interface Violation {
  readonly field: string;
  readonly message: string;
}

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions?: { readonly code?: string; readonly violations?: readonly Violation[] };
  }[];
}

export interface Command {
  readonly userId: string;
  readonly type: string;
  readonly to: string | null;
  readonly title: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Status {
  readonly id: string;
  readonly status: string;
  readonly statusReason?: { readonly message: string } | null;
}

/** What the hub said no to. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

function refusal({ errors }: Answer<unknown>): Refused | null {
  const [first] = errors ?? [];
  if (!first) return null;
  const { code = '', violations = [] } = first.extensions ?? {};
  const fields = violations.map(({ field, message }) => `${field}: ${message}`);
  return new Refused(fields.length > 0 ? fields.join(' ') : first.message, code);
}

function result<Data>(answer: Answer<Data>): Data {
  const refused = refusal(answer);
  if (refused) throw refused;
  if (!answer.data) throw new Refused('The hub gave no answer.', '');
  return answer.data;
}

/** The hub, as whoever has given a key or token here; it is kept in this object and nowhere else. */
export class Hub {
  credential: string | null = null;
  readonly #naming = new Naming();

  /** Keys begin like this, a user's token does not. */
  get hasKey(): boolean {
    return this.credential?.startsWith('hub_') ?? false;
  }

  async send(input: Command): Promise<Status> {
    const data = await this.#run<{ createNotification: { notification: Status } }>(createNotification, { input });
    return data.createNotification.notification;
  }

  /** What the component asks for whenever it needs one. A key that may not issue any does as one, if it may read inboxes. */
  async tokenOf(userId: string): Promise<string | null> {
    if (!this.hasKey) return this.credential;
    try {
      const data = await this.#run<{ issueUserToken: { token: string } }>(issueUserToken, { input: { userId } });
      return data.issueUserToken.token;
    } catch (error) {
      // No secret is set up to sign tokens with, or the key lacks the scope: the hub says so to the component as well.
      if (error instanceof Refused) return this.credential;
      throw error;
    }
  }

  /** Every status from now on, until `signal` ends it or the stream ends. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<Status> {
    const response = await this.#asked(notificationEvents, { id }, 'text/event-stream', signal);
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      result((await response.json()) as Answer<never>);
    }
    if (!response.body) return;
    let text = '';
    for await (const chunk of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      const events = (text + chunk).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const body = /^data: (.+)$/m.exec(event)?.[1];
        if (!body) continue;
        const data = result(JSON.parse(body) as Answer<{ notificationEvents: { notification: Status | null } }>);
        if (data.notificationEvents.notification) yield data.notificationEvents.notification;
      }
    }
  }

  async #run<Data>(query: string, variables: object): Promise<Data> {
    const response = await this.#asked(query, variables, 'application/graphql-response+json', null);
    return result((await response.json()) as Answer<Data>);
  }

  /** An answer that is no refusal. Where a hub runs trusted documents alone, it is asked again by the name it wants. */
  async #asked(query: string, variables: object, accept: string, signal: AbortSignal | null): Promise<Response> {
    const response = await this.#ask(query, variables, accept, signal);
    if (response.ok) return response;
    const refused = refusal((await response.json()) as Answer<unknown>);
    if (!refused) throw new Error(response.statusText);
    if (!this.#naming.learn(refused.code, refused.message)) throw refused;
    return await this.#asked(query, variables, accept, signal);
  }

  async #ask(query: string, variables: object, accept: string, signal: AbortSignal | null): Promise<Response> {
    const credential = this.credential === null ? {} : { Authorization: `Bearer ${this.credential}` };
    return await fetch('/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: accept, ...credential },
      body: JSON.stringify({ ...(await this.#naming.of(query)), variables }),
      signal,
    });
  }
}

/** Not every browser iterates over streams. */
async function* chunks(stream: ReadableStream<string>): AsyncGenerator<string> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.releaseLock();
  }
}

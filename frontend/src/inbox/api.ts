import { documents, type Naming } from './documents';
import type { Tokens } from './tokens';
import type { Filter, Item } from './types';
import { type Marked, type MarkedAll, type Page, Refusal, refusalOf, type Totals, type WireError } from './wire';

const LONGEST_MS = 15_000;
/** That the hub counts in one answer. */
export const MOST_CATEGORIES = 20;

type Variables = Readonly<Record<string, unknown>>;

export type Mark = 'markRead' | 'markUnread' | 'archive' | 'unarchive';

const FIELDS = {
  markRead: 'markRead',
  markUnread: 'markUnread',
  archive: 'archiveNotification',
  unarchive: 'unarchiveNotification',
} as const;

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly WireError[];
}

interface Connection {
  readonly edges: readonly { readonly cursor: string; readonly node: Item }[];
  readonly pageInfo: { readonly hasNextPage: boolean };
}

export type Counted = Totals & { readonly categories: readonly (Totals & { readonly category: string })[] };

/** The hub's GraphQL over HTTP. Everything raises a Refusal. */
export class Api {
  readonly #url: string;

  constructor(
    endpoint: string,
    private readonly userId: string,
    private readonly tokens: Tokens,
    private readonly naming: Naming,
    private readonly fetching: typeof fetch,
  ) {
    this.#url = `${endpoint}/graphql`;
  }

  async page(filter: Filter, first: number, after: string | null, counts: boolean, signal: AbortSignal): Promise<Page> {
    const { unread, archived, category } = filter;
    // No filter at all is not the same as looking for what is not archived, and costs the hub less.
    const filters = { unread: unread || null, archived: archived || null, category };
    const user = await this.#user(documents.inbox, { first, after, counts, ...filters }, signal);
    const { edges, pageInfo } = user.inbox as Connection;
    return {
      items: edges.map(({ cursor, node }) => ({ cursor, item: node })),
      hasMore: pageInfo.hasNextPage,
      totals: (user.inboxCounts as Totals | undefined) ?? null,
    };
  }

  async counts(categories: readonly string[], signal: AbortSignal): Promise<Counted> {
    const user = await this.#user(documents.counts, { categories }, signal);
    return user.inboxCounts as Counted;
  }

  async mark(mark: Mark, id: string): Promise<Marked> {
    const payload = await this.#mutate(documents[mark], FIELDS[mark], { id });
    return payload.notification as Marked;
  }

  markAllRead(upTo: string, category: string | null): Promise<MarkedAll> {
    return this.#markAll('markAllRead', upTo, category);
  }

  markAllSeen(upTo: string, category: string | null): Promise<MarkedAll> {
    return this.#markAll('markAllSeen', upTo, category);
  }

  async undoMarkAll(operationId: string): Promise<void> {
    await this.#mutate(documents.undoMarkAll, 'undoMarkAll', { userId: this.userId, operationId });
  }

  async #markAll(name: 'markAllRead' | 'markAllSeen', upTo: string, category: string | null): Promise<MarkedAll> {
    const payload = await this.#mutate(documents[name], name, { userId: this.userId, upTo, category });
    return payload as unknown as MarkedAll;
  }

  async #user(document: string, variables: Variables, signal: AbortSignal): Promise<Variables> {
    const { user } = await this.#run(document, { userId: this.userId, ...variables }, signal);
    // A user that the caller may not know of is null, without an error.
    if (user === null) throw new Refusal('refused', 'PERMISSION_DENIED', 'The inbox is not open to this caller.');
    return user as Variables;
  }

  async #mutate(document: string, field: string, input: Variables): Promise<Variables> {
    return (await this.#run(document, { input }))[field] as Variables;
  }

  /** Asks once more with another token, and once more with the document named otherwise, where that is what is wanted. */
  async #run(document: string, variables: Variables, signal?: AbortSignal): Promise<Variables> {
    let token = await this.tokens.get();
    for (let renewed = false; ; ) {
      try {
        return await this.#post({ ...(await this.naming.of(document)), variables }, token, signal);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        if (this.naming.learn(error.code, error.message)) continue;
        if (error.code !== 'UNAUTHENTICATED' || renewed) throw error;
        token = await this.tokens.instead(token);
        renewed = true;
      }
    }
  }

  async #post(body: object, token: string | null, signal?: AbortSignal): Promise<Variables> {
    const headers: Record<string, string> = {
      accept: 'application/graphql-response+json, application/json',
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    const ended = new AbortController();
    const abort = () => ended.abort();
    const timer = setTimeout(abort, LONGEST_MS);
    signal?.addEventListener('abort', abort);
    try {
      if (signal?.aborted) abort();
      const request = { method: 'POST', headers, body: JSON.stringify(body), signal: ended.signal };
      // No cookie is wanted, and none is sent to a foreign host.
      const response = await this.fetching(this.#url, { ...request, credentials: 'omit', cache: 'no-store' });
      return dataOf((await response.json()) as Answer, response.status);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw new Refusal('unreachable', 'UNAVAILABLE', 'The hub did not answer.');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }
}

function dataOf(answer: Answer, status: number): Variables {
  const [error] = answer.errors ?? [];
  if (error !== undefined) throw refusalOf(error);
  if (answer.data) return answer.data;
  const code = status === 401 ? 'UNAUTHENTICATED' : status >= 500 ? 'UNAVAILABLE' : 'UNKNOWN';
  throw refusalOf({ message: `The hub answered ${status}.`, extensions: { code } });
}

import type { Dialled } from '../../src/inbox/socket';
import type { Network } from '../../src/inbox/store';
import { cursorOf, type FakeHub, placeOf } from './hub';
import { newestFirst } from '../../src/inbox/wire';

/** Numbers that are the same again for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Asked {
  readonly query: string;
  readonly variables: Record<string, unknown> & { readonly input?: Record<string, unknown> };
}

const totals = ({ unread, unseen }: { unread: number; unseen: number }): object => ({
  ...{ unread, unreadCapped: false, unseen, unseenCapped: false },
});

/** The way of one device to a hub: slow at will, cut at will, and it may refuse. */
export class FakeNetwork implements Network {
  isCut = false;
  /** How many of the next requests fail before they reach the hub. */
  failing = 0;
  /** Tokens that the hub takes; null: any. */
  accepted: Set<string> | null = null;
  readonly dialled: Dialled[] = [];
  readonly requests: { readonly headers: Record<string, string>; readonly url: string; readonly body: Asked }[] = [];
  isTooMuch = false;
  #open = new Map<Dialled, () => void>();

  constructor(
    private readonly hub: FakeHub,
    private readonly latency: () => number = () => 1,
  ) {}

  get sockets(): number {
    return this.#open.size;
  }

  cut(): void {
    this.isCut = true;
    this.drop();
  }

  /** Every socket ends; `refused` as with a token that has ended. */
  drop(refused = false): void {
    for (const [dialled, end] of [...this.#open]) {
      end();
      dialled.end(refused, null);
    }
  }

  /** Nothing comes through, and nobody says so. */
  silence(): void {
    for (const end of this.#open.values()) end();
  }

  readonly dial = (dialled: Dialled): { close: () => void; probe: () => void } => {
    this.dialled.push(dialled);
    let unwatch = (): void => undefined;
    let isOpen = true;
    const close = (): void => {
      isOpen = false;
      unwatch();
      this.#open.delete(dialled);
    };
    this.#open.set(dialled, close);
    // In order, however long each takes.
    let due = 0;
    const later = (work: () => void): void => {
      due = Math.max(due, Date.now() + this.latency());
      setTimeout(() => isOpen && work(), due - Date.now());
    };
    later(() => {
      const isRefused = this.accepted !== null && !this.accepted.has(dialled.token ?? '');
      if (this.isCut || isRefused) {
        close();
        dialled.end(isRefused && !this.isCut, null);
        return;
      }
      const after = (dialled.variables.after as string | null) ?? null;
      unwatch = this.hub.watch(after, this.isTooMuch, (event) => later(() => dialled.event(event as never)));
    });
    return { close, probe: () => undefined };
  };

  readonly fetch = async (url: unknown, init?: RequestInit): Promise<Response> => {
    const body = JSON.parse(init?.body as string) as Asked;
    const headers = init?.headers as Record<string, string>;
    this.requests.push({ headers, url: String(url), body });
    await this.#travel(init?.signal);
    if (this.accepted !== null && !this.accepted.has((headers.authorization ?? '').replace('Bearer ', ''))) {
      return new Response(JSON.stringify(errors('UNAUTHENTICATED')), { status: 401 });
    }
    const answer = JSON.stringify(this.answer(body));
    await this.#travel(init?.signal);
    return new Response(answer);
  };

  /** What the hub says; tests that want another answer put another function here. */
  answer = ({ query, variables }: Asked): object => {
    const name = /(?:query|mutation) (\w+)/.exec(query)?.[1] ?? '';
    const input = variables.input ?? {};
    try {
      return { data: this.#data(name, variables, input) };
    } catch {
      return errors('NOT_FOUND');
    }
  };

  #data(name: string, variables: Record<string, unknown>, input: Record<string, unknown>): object {
    switch (name) {
      case 'Inbox':
        return { user: this.#page(variables) };
      case 'InboxCounts': {
        const categories = (variables.categories as string[]).map((one) => ({ category: one, ...totals(this.hub.counts(one)) }));
        return { user: { inboxCounts: { ...totals(this.hub.counts()), categories } } };
      }
      case 'MarkAllRead':
      case 'MarkAllSeen': {
        const kind = name === 'MarkAllRead' ? 'ALL_READ' : 'ALL_SEEN';
        const marked = this.hub.markAll(kind, input.upTo as string, input.category as string | null);
        return { [name[0]?.toLowerCase() + name.slice(1)]: marked };
      }
      case 'UndoMarkAll':
        this.hub.undo(input.operationId as string);
        return { undoMarkAll: { count: 0 } };
      default: {
        const { id, readAt, seenAt, archivedAt, updatedAt, version } = this.hub.mark(name, input.id as string);
        return { [name[0]?.toLowerCase() + name.slice(1)]: { notification: { id, readAt, seenAt, archivedAt, updatedAt, version } } };
      }
    }
  }

  #page(variables: Record<string, unknown>): object {
    const all = this.hub.list(variables);
    const after = variables.after as string | null;
    const rest = after === null ? all : all.filter((row) => newestFirst(row, placeOf(after)) > 0);
    const rows = rest.slice(0, variables.first as number);
    const edges = rows.map((row) => ({ cursor: cursorOf(row), node: { ...row, operation: undefined, gone: undefined } }));
    const inbox = { edges, pageInfo: { hasNextPage: rest.length > rows.length } };
    return variables.counts ? { inbox, inboxCounts: totals(this.hub.counts()) } : { inbox };
  }

  async #travel(signal?: AbortSignal | null): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
      setTimeout(resolve, this.latency());
    });
    if (this.isCut || this.failing > 0) {
      this.failing = Math.max(0, this.failing - 1);
      throw new TypeError('Failed to fetch');
    }
  }
}

export function errors(code: string, message = 'No.'): object {
  return { data: null, errors: [{ message, extensions: { code, reason: code } }] };
}

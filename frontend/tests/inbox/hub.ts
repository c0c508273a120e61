import { type Kind, newestFirst, type Place } from '../../src/inbox/wire';

/** A notification as the hub has it. */
export interface Row {
  id: string;
  title: string;
  message: string;
  category: string | null;
  deliveredAt: string;
  updatedAt: string;
  readAt: string | null;
  seenAt: string | null;
  archivedAt: string | null;
  version: number;
  gone: boolean;
  operation: { id: string; version: number; wasUnseen: boolean } | null;
}

interface Told {
  kind: Kind;
  upTo?: Place;
  category?: string | null;
  markedAt?: string;
}

interface Stream {
  send: (event: object) => void;
}

const OVERLAP_MS = 15_000;
const LAST_ID = 'ffffffff';

const inInbox = (row: Row): boolean => !row.gone && row.archivedAt === null;
const text = (ms: number): string => new Date(ms).toISOString();

/** An inbox in memory that keeps the contract, and tells of changes as the hub does: late, several at once, the latest version. */
export class FakeHub {
  rows = new Map<string, Row>();
  #streams = new Set<Stream>();
  #hints = new Set<string>();
  #marks: Told[] = [];
  #ids = 0;
  #last = 0;

  /** No two changes are of the same millisecond. */
  #now(): string {
    this.#last = Math.max(Date.now(), this.#last + 1);
    return text(this.#last);
  }

  deliver(category: string | null): Row {
    this.#ids += 1;
    const [at, id] = [this.#now(), this.#ids.toString(16).padStart(8, '0')];
    const marks = { readAt: null, seenAt: null, archivedAt: null, gone: false, operation: null };
    const row: Row = { id, title: `t${id}`, message: '', category, deliveredAt: at, updatedAt: at, version: 3, ...marks };
    this.rows.set(id, row);
    this.#hints.add(id);
    return row;
  }

  change(id: string, fields: Partial<Row>): Row {
    const row = this.rows.get(id);
    if (row === undefined) throw new Error('NOT_FOUND');
    const isSame = Object.entries(fields).every(([name, value]) => {
      const [was, is] = [row[name as keyof Row], value];
      return typeof was === 'boolean' ? was === is : (was === null) === (is === null);
    });
    if (isSame) return row;
    const changed = { ...row, ...fields, updatedAt: this.#now(), version: row.version + 1 };
    this.rows.set(id, changed);
    this.#hints.add(id);
    return changed;
  }

  mark(mark: string, id: string): Row {
    const [at, row] = [this.#now(), this.rows.get(id)];
    switch (mark) {
      case 'MarkRead':
        return this.change(id, row?.readAt === null ? { readAt: at, seenAt: row.seenAt ?? at } : {});
      case 'MarkUnread':
        return this.change(id, { readAt: null });
      case 'ArchiveNotification':
        return this.change(id, { archivedAt: at });
      default:
        return this.change(id, { archivedAt: null });
    }
  }

  markAll(kind: 'ALL_READ' | 'ALL_SEEN', upTo: string, category: string | null): { count: number; operationId: string | null } {
    const [at, place, operationId] = [this.#now(), placeOf(upTo), `op${++this.#ids}`];
    const isDone = (row: Row): boolean => (kind === 'ALL_READ' ? row.readAt : (row.readAt ?? row.seenAt)) !== null;
    let count = 0;
    for (const row of this.rows.values()) {
      const isMeant = inInbox(row) && !isDone(row) && (category === null || row.category === category);
      if (!isMeant || newestFirst(row, place) < 0) continue;
      count += 1;
      const operation = { id: operationId, version: row.version + 1, wasUnseen: row.seenAt === null };
      const marks = { readAt: kind === 'ALL_READ' ? at : row.readAt, seenAt: row.seenAt ?? at };
      this.rows.set(row.id, { ...row, ...marks, operation, updatedAt: at, version: row.version + 1 });
    }
    if (count > 0) this.#marks.push({ kind, upTo: place, category, markedAt: at });
    return { count, operationId: count > 0 ? operationId : null };
  }

  undo(operationId: string): void {
    const at = this.#now();
    for (const row of this.rows.values()) {
      if (row.operation?.id !== operationId || row.operation.version !== row.version || row.gone) continue;
      const seenAt = row.operation.wasUnseen ? null : row.seenAt;
      this.rows.set(row.id, { ...row, readAt: null, seenAt, operation: null, updatedAt: at, version: row.version + 1 });
    }
    this.#marks.push({ kind: 'RESYNC' });
  }

  list(filter: { unread?: boolean | null; archived?: boolean | null; category?: string | null }): Row[] {
    const fits = (row: Row): boolean =>
      !row.gone &&
      (row.archivedAt !== null) === (filter.archived ?? false) &&
      (!filter.unread || row.readAt === null) &&
      (filter.category == null || row.category === filter.category);
    return [...this.rows.values()].filter(fits).sort(newestFirst);
  }

  counts(category?: string): { unread: number; unseen: number } {
    const rows = [...this.rows.values()].filter(
      (row) => inInbox(row) && row.readAt === null && (category === undefined || row.category === category),
    );
    return { unread: rows.length, unseen: rows.filter((row) => row.seenAt === null).length };
  }

  /** Tells all streams what changed since it was last called. */
  pump(): void {
    const changed = [...this.#hints].map((id) => this.rows.get(id) as Row).sort((a, b) => (a.updatedAt < b.updatedAt ? -1 : 1));
    const marks = this.#marks.splice(0);
    this.#hints.clear();
    for (const stream of this.#streams) {
      for (const mark of marks) stream.send(this.#event(mark.kind, mark));
      for (const row of changed) stream.send(this.#told(row));
    }
  }

  beat(): void {
    for (const stream of this.#streams) stream.send(this.#event('HEARTBEAT'));
  }

  /** Begins with a heartbeat and what changed since the cursor, or with a resync; returns what ends it. */
  watch(after: string | null, isTooMuch: boolean, send: (event: object) => void): () => void {
    const stream = { send };
    this.#streams.add(stream);
    send(this.#event('HEARTBEAT', { kind: 'HEARTBEAT' }, after));
    if (after !== null && isTooMuch) send(this.#event('RESYNC'));
    else if (after !== null) this.#replay(after, send);
    return () => this.#streams.delete(stream);
  }

  #replay(after: string, send: (event: object) => void): void {
    const since = text(Date.parse(placeOf(after).deliveredAt) - OVERLAP_MS);
    const rows = [...this.rows.values()].filter((row) => row.updatedAt > since);
    for (const row of rows.sort((a, b) => (a.updatedAt < b.updatedAt ? -1 : 1))) send(this.#told(row));
  }

  #told(row: Row): object {
    return { ...this.#event(inInbox(row) ? 'CHANGED' : 'REMOVED'), notification: { ...row, operation: undefined, gone: undefined } };
  }

  /** Counts are of the moment of telling. Cursors are the time until which all is told. */
  #event(kind: Kind, told: Told = { kind }, cursor: string | null = null): object {
    const { unread, unseen } = this.counts();
    return {
      ...{ kind, cursor: cursor ?? `${this.#now()}/${LAST_ID}`, notification: null, upTo: told.upTo ?? null },
      ...{ category: told.category ?? null, markedAt: told.markedAt ?? null },
      ...{ unreadCount: unread, unreadCountCapped: false, unseenCount: unseen, unseenCountCapped: false },
    };
  }
}

export function placeOf(cursor: string): Place {
  const [deliveredAt = '', id = ''] = cursor.split('/');
  return { deliveredAt, id };
}

export const cursorOf = (row: Row): string => `${row.deliveredAt}/${row.id}`;

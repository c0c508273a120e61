import { describe, expect, test } from 'vitest';
import { Model, readAt } from '../../src/inbox/model';
import type { Item } from '../../src/inbox/types';
import type { InboxEvent, Listed } from '../../src/inbox/wire';

const at = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`;

function item(number: number, fields: Partial<Item> = {}): Item {
  const id = `id${String(number).padStart(2, '0')}`;
  const marks = { readAt: null, seenAt: null, archivedAt: null };
  const times = { deliveredAt: at(number), updatedAt: at(number) };
  return { id, title: id, message: '', category: null, ...times, ...marks, version: 1, ...fields };
}

const listed = (...items: Item[]): Listed[] => items.map((one) => ({ item: one, cursor: `cursor of ${one.id}` }));

function event(kind: InboxEvent['kind'], fields: Partial<InboxEvent> = {}): InboxEvent {
  const counts = { unreadCount: 0, unreadCountCapped: false, unseenCount: 0, unseenCountCapped: false };
  return { kind, cursor: 'event', ...counts, notification: null, upTo: null, category: null, markedAt: null, ...fields };
}

const changed = (notification: Item): InboxEvent => event('CHANGED', { notification });
const removed = (notification: Item): InboxEvent => event('REMOVED', { notification });
const allRead = (second: number, fields: Partial<InboxEvent> = {}): InboxEvent =>
  event('ALL_READ', { upTo: { deliveredAt: at(59), id: 'z' }, markedAt: at(second), ...fields });

function holding(...items: Item[]): Model {
  const model = new Model();
  model.replace(listed(...items), null, model.now());
  return model;
}

const ids = (model: Model): string[] => model.shown().map(({ id }) => id);
const read = (model: Model): string[] => model.shown().filter((one) => one.readAt !== null).map(({ id }) => id);

describe('versions', () => {
  test('an older event changes nothing', () => {
    const model = holding(item(1, { version: 5, readAt: at(9) }));
    model.event(changed(item(1, { version: 4 })));
    expect(read(model)).toEqual(['id01']);
  });

  test('an older answer changes nothing', () => {
    const model = holding(item(1));
    model.event(changed(item(1, { version: 3 })));
    expect(model.answer({ ...item(1, { version: 2, readAt: at(9) }) })).toEqual([]);
    expect(read(model)).toEqual([]);
  });

  test('an older list does not bring back what has gone meanwhile', () => {
    const model = holding(item(1), item(2));
    const since = model.now();
    model.event(removed(item(2, { version: 2 })));
    model.replace(listed(item(2), item(1)), null, since);
    expect(ids(model)).toEqual(['id01']);
  });

  test('of one version, having left the inbox comes last: it expired', () => {
    const model = holding(item(1));
    model.event(removed(item(1)));
    expect(ids(model)).toEqual([]);
  });
});

describe('the part that is loaded', () => {
  test('what arrives is at the top, and what is restored at its place', () => {
    const model = holding(item(2), item(4));
    model.event(changed(item(5)));
    model.event(changed(item(3)));
    expect(ids(model)).toEqual(['id05', 'id04', 'id03', 'id02']);
  });

  test('a change below it makes no hole, and is there when that is loaded', () => {
    const model = new Model();
    model.replace(listed(item(9), item(8)), item(8), model.now());
    model.event(changed(item(3, { version: 2, readAt: at(9) })));
    expect(ids(model)).toEqual(['id09', 'id08']);
    model.extend(listed(item(7), item(3)), null, 0);
    expect(ids(model)).toEqual(['id09', 'id08', 'id07', 'id03']);
    expect(read(model)).toEqual(['id03']);
  });

  test('what was restored while the page was on its way is in it', () => {
    const model = new Model();
    model.replace(listed(item(9)), item(9), model.now());
    const since = model.now();
    model.event(changed(item(6)));
    model.extend(listed(item(7), item(5)), item(5), since);
    expect(ids(model)).toEqual(['id09', 'id07', 'id06', 'id05']);
  });

  test('a list takes out what went unnoticed, and leaves in what came after it was asked for', () => {
    const model = holding(item(1), item(2));
    const since = model.now();
    model.event(changed(item(3)));
    model.replace(listed(item(2)), null, since);
    expect(ids(model)).toEqual(['id03', 'id02']);
  });

  test('what a mark of many touched meanwhile is no proof of being there', () => {
    const model = holding(item(1), item(2));
    const since = model.now();
    model.event(allRead(50));
    model.markedAll(new Map([['id01', 1]]), readAt(at(50)));
    model.replace(listed(item(2)), null, since);
    expect(ids(model)).toEqual(['id02']);
  });
});

describe('marks of many', () => {
  test('mark what is up to the place, of the category, and was not updated since', () => {
    const model = holding(
      item(1),
      item(2, { category: 'news' }),
      item(3, { updatedAt: at(31) }),
      item(40, { updatedAt: at(20) }),
      item(5, { updatedAt: at(30) }),
    );
    model.event(allRead(30, { upTo: { deliveredAt: at(10), id: 'z' } }));
    expect(read(model)).toEqual(['id05', 'id02', 'id01']);
    const narrow = holding(item(1), item(2, { category: 'news' }));
    narrow.event(allRead(30, { category: 'news' }));
    expect(read(narrow)).toEqual(['id02']);
  });

  test('hold for a list that was read before them', () => {
    const model = holding(item(1));
    const since = model.now();
    model.event(allRead(30));
    model.replace(listed(item(2), item(1)), null, since);
    expect(read(model)).toEqual(['id02', 'id01']);
  });

  test('do not hold for a list that was asked for later', () => {
    const model = holding(item(1));
    model.event(allRead(30));
    model.replace(listed(item(1, { version: 3, updatedAt: at(30) })), null, model.now());
    expect(read(model)).toEqual([]);
  });

  test('that were answered leave alone what has changed since they were asked for', () => {
    const model = holding(item(1), item(2));
    model.event(changed(item(2, { version: 3, updatedAt: at(40) })));
    model.markedAll(new Map([['id01', 1], ['id02', 1]]), readAt(at(30)));
    expect(read(model)).toEqual(['id01']);
  });
});

describe('filters', () => {
  test('hold for what happens too', () => {
    const model = new Model();
    model.choose({ unread: true, archived: false, category: 'news' });
    model.replace(listed(item(1, { category: 'news' })), null, model.now());
    model.event(changed(item(2)));
    model.event(changed(item(3, { category: 'news' })));
    expect(ids(model)).toEqual(['id03', 'id01']);
    model.event(changed(item(3, { category: 'news', version: 2, readAt: at(9) })));
    expect(ids(model)).toEqual(['id01']);
  });

  test('of the archive: what is put away comes, what is taken out goes', () => {
    const model = new Model();
    model.choose({ unread: false, archived: true, category: null });
    model.replace([], null, model.now());
    model.event(removed(item(1, { version: 2, archivedAt: at(9) })));
    model.event(removed(item(2, { version: 2 })));
    expect(ids(model)).toEqual(['id01']);
    model.event(changed(item(1, { version: 3 })));
    expect(ids(model)).toEqual([]);
  });

  test('nothing is shown of another part before it is listed', () => {
    const model = holding(item(1));
    model.choose({ unread: true, archived: false, category: null });
    expect([model.listed, ids(model)]).toEqual([false, []]);
  });
});

describe('arrivals', () => {
  test('are new, unread and newer than all', () => {
    const model = holding(item(2), item(4));
    expect(model.isArrival(item(5))).toBe(true);
    expect(model.isArrival(item(4, { version: 9 }))).toBe(false);
    expect(model.isArrival(item(3))).toBe(false);
    expect(model.isArrival(item(5, { readAt: at(6) }))).toBe(false);
    // Marked unread long after: only left out by a filter until now.
    expect(model.isArrival(item(5, { updatedAt: '2026-01-01T01:00:00.000Z' }))).toBe(false);
  });
});

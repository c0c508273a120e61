import { type Command, type Hub, Refused, type Status } from './hub';

const LISTED = 6;
/** Of a browser's six connections to one host; the others are for sending. */
const WATCHED = 3;
const GOOD = new Set(['SENT', 'DELIVERED', 'READ']);
const BAD = new Set(['FAILED', 'CANCELLED', 'EXPIRED']);

/** What was sent from this page, newest first, each with its status as it changes. */
export class Sent {
  readonly #watches: AbortController[] = [];

  constructor(
    private readonly list: HTMLElement,
    private readonly hub: Hub,
    private readonly names: Readonly<Record<string, string>>,
  ) {}

  async add(command: Command, accepted: Status): Promise<void> {
    const entry = document.createElement('li');
    entry.dataset['id'] = accepted.id;
    const [title, how, status] = ['what', 'how', 'status'].map((name) => {
      const part = entry.appendChild(document.createElement('span'));
      part.className = name;
      return part;
    }) as [HTMLElement, HTMLElement, HTMLElement];
    title.textContent = command.title;
    title.dir = 'auto';
    how.textContent = `${this.names[command.type] ?? command.type} · ${new Date().toLocaleTimeString()}`;
    this.list.prepend(entry);
    while (this.list.children.length > LISTED) this.list.lastElementChild?.remove();
    show(status, how, accepted);
    await this.#follow(accepted.id, (now) => show(status, how, now), how);
  }

  async #follow(id: string, changed: (now: Status) => void, note: HTMLElement): Promise<void> {
    const watch = new AbortController();
    this.#watches.push(watch);
    while (this.#watches.length > WATCHED) this.#watches.shift()?.abort();
    try {
      for await (const now of this.hub.watch(id, watch.signal)) {
        changed(now);
        if (BAD.has(now.status)) break;
      }
    } catch (error) {
      if (error instanceof Refused) note.textContent += ' · accepted; this key may not see what becomes of it';
      // Otherwise the hub went away, or a newer one is watched: the last status stands.
    } finally {
      watch.abort();
      const place = this.#watches.indexOf(watch);
      if (place >= 0) this.#watches.splice(place, 1);
    }
  }
}

function show(pill: HTMLElement, note: HTMLElement, { status, statusReason }: Status): void {
  pill.textContent = status.toLowerCase();
  pill.className = `status ${GOOD.has(status) ? 'good' : BAD.has(status) ? 'bad' : ''}`.trim();
  if (statusReason) note.title = statusReason.message;
}

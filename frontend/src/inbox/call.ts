import type { Named } from './documents';
import type { Connection, Dial } from './socket';
import type { Tokens } from './tokens';
import type { InboxEvent, Refusal } from './wire';

const RENEW_AGAIN_MS = 5_000;

/** How a call ended, and how long it lived since its first event, in milliseconds. */
export interface Ending {
  readonly refused: boolean;
  readonly why: Refusal | null;
  readonly lived: number;
  /** The token that it had last. */
  readonly token: string | null;
}

interface Asked {
  readonly url: string;
  readonly userId: string;
  readonly document: Named;
  readonly cursor: () => string | null;
  readonly event: (event: InboxEvent, isFresh: boolean) => void;
}

/**
 * One connection, and those that take over from it with newer tokens. Each subscribes after the last event told, so that
 * the older one can go with the newer one's first event: in between both tell the same, and versions tell them apart.
 */
export class Call {
  #connections = new Set<Connection>();
  #current: Connection | null = null;
  #begun: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #end: (ending: Ending) => void = () => undefined;
  readonly #dialled = Date.now();
  readonly ended: Promise<Ending>;

  constructor(
    private readonly dial: Dial,
    private readonly tokens: Tokens,
    private readonly asked: Asked,
    private token: string | null,
  ) {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#open(token);
  }

  hangUp(): void {
    this.#finish(false, null);
  }

  /** Somebody should be there, and maybe is not: asks, or gives up what does not get through. */
  probe(patienceMs: number): void {
    if (this.#current !== null) this.#current.probe();
    else if (Date.now() - this.#dialled >= patienceMs) this.hangUp();
  }

  #open(token: string | null): void {
    const { url, userId, document, event } = this.asked;
    const after = this.asked.cursor();
    const connection = this.dial({
      url,
      token,
      document,
      variables: { userId, after },
      event: (told) => {
        const isFirst = !taken;
        if (isFirst) this.#takeOver(connection, token);
        taken = true;
        event(told, isFirst && after === null);
      },
      end: (refused, why) => this.#ended(connection, refused, why),
    });
    let taken = false;
    this.#connections.add(connection);
  }

  #takeOver(connection: Connection, token: string | null): void {
    this.#begun ??= Date.now();
    this.#current = connection;
    this.token = token;
    for (const older of this.#connections) {
      if (older === connection) continue;
      this.#connections.delete(older);
      older.close();
    }
    this.#renewIn(this.tokens.renewal);
  }

  #renewIn(ms: number | null): void {
    clearTimeout(this.#timer);
    if (ms !== null) this.#timer = setTimeout(() => void this.#renew(), ms);
  }

  async #renew(): Promise<void> {
    const token = await this.tokens.instead(this.token).catch(() => undefined);
    if (this.#connections.size === 0) return;
    if (token === undefined) this.#renewIn(RENEW_AGAIN_MS);
    else this.#open(token);
  }

  #ended(connection: Connection, refused: boolean, why: Refusal | null): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#finish(refused, why);
    else if (connection !== this.#current) this.#renewIn(RENEW_AGAIN_MS);
  }

  #finish(refused: boolean, why: Refusal | null): void {
    clearTimeout(this.#timer);
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
    this.#current = null;
    this.#end({ refused, why, lived: this.#begun === null ? 0 : Date.now() - this.#begun, token: this.token });
  }
}

import { Refusal } from './wire';

const LONGEST_WAIT_MS = 15_000;
const MARGIN_MS = 60_000;
const SHORTEST_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Who holds a token changes neither with its renewal nor with the moment: claims of the moment are left out. */
const OF_THE_MOMENT = new Set(['exp', 'iat', 'nbf', 'jti', 'sid', 'nonce', 'auth_time', 'at_hash', 'c_hash']);

type Claims = Readonly<Record<string, unknown>>;

/** The claims of a JWT (RFC 7519), unverified: the hub verifies. Null for any other text. */
export function claimsOf(token: string): Claims | null {
  const [, payload, ...rest] = token.split('.');
  if (payload === undefined || rest.length !== 1) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? (claims as Claims) : null;
  } catch {
    return null;
  }
}

/** What tells callers apart; for a token that says nothing of itself, the token: to be hashed before it is shown to anyone. */
export function holderOf(token: string | null): string {
  const claims = token === null ? null : claimsOf(token);
  if (claims === null) return JSON.stringify(['token', token]);
  const lasting = Object.entries(claims).filter(([name]) => !OF_THE_MOMENT.has(name));
  return JSON.stringify(['claims', lasting.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** In how many milliseconds a token that was just had should be renewed: a minute before its end, or a fifth of its time. */
export function renewalOf(token: string | null, now: number): number | null {
  const claims = token === null ? null : claimsOf(token);
  if (typeof claims?.exp !== 'number') return null;
  const lifetime = typeof claims.iat === 'number' ? (claims.exp - claims.iat) * 1000 : Infinity;
  const left = claims.exp * 1000 - now;
  // A token that ended before it was given, or ends later than it can: it is our clock that is wrong.
  const span = left > 0 ? Math.min(left, lifetime) : Math.min(lifetime, MARGIN_MS * 5);
  return Math.min(LONGEST_TIMER_MS, Math.max(SHORTEST_MS, span - Math.min(MARGIN_MS, span / 5)));
}

/** The caller's token: asked for once however many want it, and again once it was refused or is about to end. */
export class Tokens {
  #current: string | null | undefined;
  #renewAt = Infinity;
  #asking: Promise<string | null> | null = null;

  constructor(private readonly ask: () => Promise<string | null>) {}

  /** The next one is asked for: who calls may be another. */
  forget(): void {
    this.#current = undefined;
    this.#asking = null;
  }

  /** A token that should be valid. Raises a refusal if none can be had. */
  async get(): Promise<string | null> {
    if (this.#current === undefined) return this.#ask();
    if (Date.now() < this.#renewAt) return this.#current;
    // It may be good for a little while yet.
    return this.#ask().catch(() => this.#current ?? null);
  }

  /** Another token than the one that was refused. Raises a refusal if there is none. */
  async instead(refused: string | null): Promise<string | null> {
    if (this.#current !== undefined && this.#current !== refused) return this.#current;
    const token = await this.#ask();
    if (token === refused) throw new Refusal('refused', 'UNAUTHENTICATED', 'There is no other token.');
    return token;
  }

  /** In how many milliseconds the present token should be renewed. */
  get renewal(): number | null {
    return this.#renewAt === Infinity ? null : Math.max(SHORTEST_MS, this.#renewAt - Date.now());
  }

  #ask(): Promise<string | null> {
    if (this.#asking !== null) return this.#asking;
    const asking = this.#answer().then((token) => {
      if (this.#asking === asking) this.#keep(token);
      return token;
    });
    this.#asking = asking;
    const done = (): void => {
      if (this.#asking === asking) this.#asking = null;
    };
    asking.then(done, done);
    return asking;
  }

  #keep(token: string | null): void {
    this.#current = token;
    const span = renewalOf(token, Date.now());
    this.#renewAt = span === null ? Infinity : Date.now() + span;
  }

  async #answer(): Promise<string | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(reject, LONGEST_WAIT_MS);
    });
    try {
      return await Promise.race([this.ask(), late]);
    } catch {
      throw new Refusal('refused', 'UNAUTHENTICATED', 'No token could be had.');
    } finally {
      clearTimeout(timer);
    }
  }
}

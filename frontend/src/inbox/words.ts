import type { Shown, Texts } from './texts';
import type { Count, Fault, Undoable } from './types';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_DAYS = 7;

/** What Intl takes, or undefined for the browser's own language: a page's `lang` may hold anything. */
function known(language: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(language)[0];
  } catch {
    return undefined;
  }
}

function midnight(moment: number): number {
  return new Date(moment).setHours(0, 0, 0, 0);
}

/** Texts, numbers and times for one reader. Formatters are dear to make and cheap to use, so they are kept. */
export class Words {
  readonly #numbers: Intl.NumberFormat;
  readonly #plurals: Intl.PluralRules;
  readonly #relative: Intl.RelativeTimeFormat;
  readonly #sameYear: Intl.DateTimeFormat;
  readonly #otherYear: Intl.DateTimeFormat;
  readonly #full: Intl.DateTimeFormat;

  constructor(
    readonly texts: Texts,
    readonly language: string,
  ) {
    const locale = known(language);
    this.#numbers = new Intl.NumberFormat(locale);
    this.#plurals = new Intl.PluralRules(locale);
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
    this.#sameYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
    this.#otherYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
    this.#full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });
  }

  shown({ value, capped }: Count): Shown {
    const number = this.#numbers.format(value);
    return { value, shown: capped ? this.texts.capped(number) : number, plural: this.#plurals.select(value) };
  }

  /** "5 minutes ago", "yesterday", then the date. What lies ahead, by a clock that differs, is now. */
  ago(moment: number, now: number): string {
    const elapsed = Math.max(0, now - moment);
    if (elapsed < MINUTE_MS) return this.#relative.format(0, 'second');
    if (elapsed < HOUR_MS) return this.#relative.format(-Math.floor(elapsed / MINUTE_MS), 'minute');
    if (elapsed < DAY_MS) return this.#relative.format(-Math.floor(elapsed / HOUR_MS), 'hour');
    // By the calendar, since late yesterday is still yesterday; rounded, since some days have 23 or 25 hours.
    const days = Math.round((midnight(now) - midnight(moment)) / DAY_MS);
    if (days < WEEK_DAYS) return this.#relative.format(-days, 'day');
    const isThisYear = new Date(moment).getFullYear() === new Date(now).getFullYear();
    return (isThisYear ? this.#sameYear : this.#otherYear).format(moment);
  }

  /** What became of the last act that can be undone. */
  ofAct({ what, count }: Undoable): string {
    if (what === 'archived') return this.texts.wasArchived;
    if (what === 'unarchived') return this.texts.wasUnarchived;
    return this.texts.allWereRead(this.shown({ value: count, capped: false }));
  }

  ofFault(fault: Fault | null): string {
    return this.texts[fault ?? 'failed'];
  }

  full(moment: number): string {
    return this.#full.format(moment);
  }
}

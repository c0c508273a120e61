const FIRST_MS = 500;
const LONGEST_MS = 10_000;

/** How long to wait after so many failures in a row: doubling, and spread, so that thousands do not come back at once. */
export function delayOf(failures: number): number {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return most * (0.5 + Math.random() / 2);
}

/** A wait that can be cut short. */
export class Pause {
  #end: (() => void) | null = null;

  get waiting(): boolean {
    return this.#end !== null;
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.cut(), ms);
      this.#end = () => {
        clearTimeout(timer);
        this.#end = null;
        resolve();
      };
    });
  }

  cut(): void {
    this.#end?.();
  }
}

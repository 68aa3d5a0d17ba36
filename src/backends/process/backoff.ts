import { setTimeout } from 'node:timers/promises';

const FIRST_DELAY = 250;
const LONGEST_DELAY = 30_000;

/** Waits that grow with every failure in a row: none before the first restart, then 250 ms, doubled up to 30 s. */
export class Backoff {
  #failures = 0;

  failed(): void {
    this.#failures++;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Milliseconds to wait before the next start. */
  get delay(): number {
    return this.#failures < 2 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.#failures - 2));
  }

  /** Waits that long, or until `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    await setTimeout(this.delay, undefined, { signal }).catch(() => {});
  }
}

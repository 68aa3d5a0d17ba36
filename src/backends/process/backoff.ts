import { setTimeout } from 'node:timers/promises';

const FIRST_DELAY = 250;
const LONGEST_DELAY = 5000;

/**
 * The wait before a restart, which grows with every crash in a row: none after the first, then 250 ms, doubled up to 5 s. It is
 * counted from the crash, so that requests which were given up meanwhile do not make it longer.
 */
export class Backoff {
  #crashes = 0;
  #readyAt = 0;

  crashed(): void {
    this.#crashes++;
    const delay = this.#crashes < 2 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.#crashes - 2));
    this.#readyAt = performance.now() + delay;
  }

  succeeded(): void {
    this.#crashes = 0;
  }

  /** Milliseconds to wait before the next start. */
  get remaining(): number {
    return Math.max(0, this.#readyAt - performance.now());
  }

  /** Waits that long, or until `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.remaining > 0) await setTimeout(this.remaining, undefined, { signal }).catch(() => {});
  }
}

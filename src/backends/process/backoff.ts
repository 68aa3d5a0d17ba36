import { setTimeout } from 'node:timers/promises';

const FIRST_DELAY = 250;
const LONGEST_DELAY = 5000;

/** The time that a wait goes by, in milliseconds. */
export interface Clock {
  now(): number;
  /** Resolves after so long, or as soon as `signal` aborts. */
  sleep(delay: number, signal: AbortSignal): Promise<void>;
}

const SYSTEM: Clock = {
  now: () => performance.now(),
  sleep: (delay, signal) => setTimeout(delay, undefined, { signal }).catch(() => {}),
};

/**
 * The wait before a restart, which grows with every crash in a row: none after the first, then 250 ms, doubled up to 5 s. It is
 * counted from the crash, so that requests which were given up meanwhile do not make it longer.
 */
export class Backoff {
  #crashes = 0;
  #readyAt = 0;

  constructor(private readonly clock: Clock = SYSTEM) {}

  crashed(): void {
    this.#crashes++;
    const delay = this.#crashes < 2 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.#crashes - 2));
    this.#readyAt = this.clock.now() + delay;
  }

  succeeded(): void {
    this.#crashes = 0;
  }

  /** Milliseconds to wait before the next start. */
  get remaining(): number {
    return Math.max(0, this.#readyAt - this.clock.now());
  }

  /** Waits that long, or until `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.remaining > 0) await this.clock.sleep(this.remaining, signal);
  }
}

import type { Clock } from '../../../../src/backends/process/backoff.js';

/** A clock that stands still but for `advance`, and for those that sleep by it where `sleeping` is off: they lose no time. */
export class ManualClock implements Clock {
  /** How long each sleep was meant to be. */
  readonly slept: number[] = [];
  #now = 0;
  #sleepers: (() => void)[] = [];

  /** @param sleeping whether a sleep lasts until the test says so */
  constructor(private readonly sleeping = false) {}

  now(): number {
    return this.#now;
  }

  async sleep(delay: number, signal: AbortSignal): Promise<void> {
    this.slept.push(delay);
    if (!this.sleeping) return this.advance(delay);
    await new Promise<void>((resolve) => {
      this.#sleepers.push(resolve);
      signal.addEventListener('abort', () => resolve());
    });
  }

  /** Lets time pass, and ends every sleep. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const wake of this.#sleepers.splice(0)) wake();
  }
}

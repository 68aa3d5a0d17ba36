import type { Clock } from '../../../../src/backends/process/backoff.js';

/** A clock that tests move. Who sleeps by it moves it as far and goes on at once, or sleeps until the test moves it. */
export class ManualClock implements Clock {
  /** How long each sleep was meant to be. */
  readonly slept: number[] = [];
  #now = 0;
  #sleepers: (() => void)[] = [];

  /** @param held whether sleepers wait for the test */
  constructor(private readonly held = false) {}

  now(): number {
    return this.#now;
  }

  async sleep(delay: number, signal: AbortSignal): Promise<void> {
    this.slept.push(delay);
    if (!this.held) return this.advance(delay);
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

import type { Clock } from '../../src/server/queue/clock.js';

/** A clock that stands still until it is turned. */
export class FakeClock implements Clock {
  #now = 1000;
  readonly #alarms = new Set<{ readonly at: number; readonly call: () => void }>();

  /** Calls that are still to come. */
  get pending(): number {
    return this.#alarms.size;
  }

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, call: () => void): () => void {
    const alarm = { at: this.#now + milliseconds, call };
    this.#alarms.add(alarm);
    return () => void this.#alarms.delete(alarm);
  }

  /** Turns the clock on, calls what is due, and lets what follows from it happen. */
  async turn(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    for (const alarm of [...this.#alarms].sort((a, b) => a.at - b.at)) {
      if (alarm.at > this.#now || !this.#alarms.delete(alarm)) continue;
      alarm.call();
    }
    await settled();
  }
}

/** Resolves when every promise that can go on has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

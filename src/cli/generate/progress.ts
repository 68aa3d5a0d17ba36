import type { Io } from '../io.js';

const PLAIN_INTERVAL_MS = 5000;

/** Progress of a run on standard error: one line redrawn in place on a terminal, now and then a new line elsewhere. */
export class Progress {
  readonly #io: Io;
  readonly #total: number;
  readonly #now: () => number;
  readonly #start: number;
  #done = 0;
  #lastPlain: number;

  /**
   * @param totalSteps steps of all pictures that will be drawn
   * @param now milliseconds of a clock that never goes back
   */
  constructor(io: Io, totalSteps: number, now: () => number = () => performance.now()) {
    this.#io = io;
    this.#total = totalSteps;
    this.#now = now;
    this.#start = now();
    this.#lastPlain = this.#start;
  }

  /** Call after each step of each picture. */
  step(label: string): void {
    this.#done++;
    const now = this.#now();
    const share = this.#done / this.#total;
    const seconds = (now - this.#start) / 1000;
    const percent = `${Math.floor(share * 100)} %`;
    const line = `${label}, ${percent}, ${formatSeconds(seconds / share - seconds)} left`;
    const { stderr } = this.#io;
    if (stderr.isTTY) stderr.write(`\r\u001b[K${line}`);
    else if (now - this.#lastPlain >= PLAIN_INTERVAL_MS) {
      this.#lastPlain = now;
      stderr.write(`${line}\n`);
    }
  }

  /** Removes the line from a terminal, so that other text can follow. Call it at the end, too. */
  clear(): void {
    if (this.#io.stderr.isTTY) this.#io.stderr.write('\r\u001b[K');
  }
}

/** For example `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

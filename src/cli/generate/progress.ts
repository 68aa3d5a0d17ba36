import type { Io } from '../io.js';
import { formatSeconds } from '../quantities.js';
import { StatusLine } from '../status-line.js';

/** Progress of a run on standard error. */
export class Progress {
  readonly #line: StatusLine;
  readonly #total: number;
  readonly #now: () => number;
  readonly #start: number;
  #done = 0;

  /**
   * @param totalSteps steps of all images that will be drawn
   * @param now milliseconds of a clock that never goes back
   */
  constructor(io: Io, totalSteps: number, now: () => number = () => performance.now()) {
    this.#line = new StatusLine(io, now);
    this.#total = totalSteps;
    this.#now = now;
    this.#start = now();
  }

  /** Call after each step of each image. */
  step(label: string): void {
    this.#done++;
    const share = this.#done / this.#total;
    const seconds = (this.#now() - this.#start) / 1000;
    const percent = `${Math.floor(share * 100)} %`;
    this.#line.show(`${label}, ${percent}, ${formatSeconds(seconds / share - seconds)} left`);
  }

  /** Removes the line from a terminal, so that other text can follow. Call it at the end, too. */
  clear(): void {
    this.#line.clear();
  }
}

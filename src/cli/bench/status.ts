import type { BenchProgress } from '../../bench/run.js';
import type { Io } from '../io.js';
import { formatSeconds } from '../quantities.js';
import { StatusLine } from '../status-line.js';

/** Shows on standard error what is being measured, and how long the rest will take. */
export class BenchStatus {
  readonly #line: StatusLine;
  readonly #now: () => number;
  /** When the first case that counts began. */
  #start: number | null = null;

  /** @param now milliseconds of a clock that never goes back */
  constructor(io: Io, now: () => number = () => performance.now()) {
    this.#line = new StatusLine(io, now);
    this.#now = now;
  }

  readonly update = ({ what, done, total }: BenchProgress): void => {
    if (done === 0) {
      this.#start = this.#now();
      this.#line.show(what);
      return;
    }
    const left = ((this.#now() - (this.#start ?? 0)) / done) * (total - done);
    this.#line.show(`${what}, ${Math.floor((done / total) * 100)} %, ${formatSeconds(left / 1000)} left`);
  };

  show(text: string): void {
    this.#line.show(text);
  }

  /** Removes the line from a terminal, so that other text can follow. Call it at the end, too. */
  clear(): void {
    this.#line.clear();
  }
}

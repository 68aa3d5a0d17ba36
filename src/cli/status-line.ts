import { printable } from '../printable.js';
import { fitWidth } from './display-width.js';
import type { Io } from './io.js';

const PLAIN_INTERVAL_MS = 5000;
const CLEAR = '\r\u001b[K';

/** What is going on, on standard error: one line redrawn in place on a terminal, now and then a new line elsewhere. */
export class StatusLine {
  readonly #io: Io;
  readonly #now: () => number;
  #lastPlain: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(io: Io, now: () => number = () => performance.now()) {
    this.#io = io;
    this.#now = now;
    this.#lastPlain = now();
  }

  show(text: string): void {
    const now = this.#now();
    if (this.#redraws) this.#redraw(text);
    else if (now - this.#lastPlain >= PLAIN_INTERVAL_MS) {
      this.#lastPlain = now;
      this.#io.stderr.write(`${printable(text)}\n`);
    }
  }

  /** Removes the line from a terminal, so that other text can follow. Call it at the end, too. */
  clear(): void {
    if (this.#redraws) this.#io.stderr.write(CLEAR);
  }

  get #redraws(): boolean {
    return this.#io.stderr.isTTY === true && this.#io.env.TERM !== 'dumb';
  }

  /** Cut to less than the terminal's width: a line that wraps cannot be redrawn. */
  #redraw(text: string): void {
    const { columns } = this.#io.stderr;
    const line = printable(text).replaceAll('\n', ' ');
    this.#io.stderr.write(`${CLEAR}${columns ? fitWidth(line, columns - 1) : line}`);
  }
}

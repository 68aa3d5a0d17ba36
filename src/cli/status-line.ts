import type { Io } from './io.js';
import { printable } from './output.js';

const PLAIN_INTERVAL_MS = 5000;

/** What is going on, on standard error: one line redrawn in place on a terminal, now and then a new line elsewhere. */
export class StatusLine {
  readonly #io: Io;
  readonly #now: () => number;
  #lastPlain: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(io: Io, now: () => number) {
    this.#io = io;
    this.#now = now;
    this.#lastPlain = now();
  }

  show(text: string): void {
    const { stderr } = this.#io;
    const now = this.#now();
    if (stderr.isTTY) stderr.write(`\r\u001b[K${printable(text)}`);
    else if (now - this.#lastPlain >= PLAIN_INTERVAL_MS) {
      this.#lastPlain = now;
      stderr.write(`${printable(text)}\n`);
    }
  }

  /** Removes the line from a terminal, so that other text can follow. Call it at the end, too. */
  clear(): void {
    if (this.#io.stderr.isTTY) this.#io.stderr.write('\r\u001b[K');
  }
}

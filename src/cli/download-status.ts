import type { PullProgress } from '../hub/pull.js';
import type { Io } from './io.js';
import { formatBytes, formatSeconds } from './quantities.js';
import { StatusLine } from './status-line.js';

/** Milliseconds over which a rate is measured: an average over all of a download would lag behind. */
const SPAN = 5000;

/** Shows on standard error how far a download is, how fast, and how long the rest will take. */
export class DownloadStatus {
  readonly #line: StatusLine;
  /** Bytes at times of the last seconds, the oldest first. */
  readonly #past: { readonly at: number; readonly bytes: number }[] = [];

  /** @param now milliseconds of a clock that never goes back */
  constructor(
    io: Io,
    readonly what: string,
    readonly now: () => number = () => performance.now(),
  ) {
    this.#line = new StatusLine(io, now);
  }

  readonly update = ({ bytes, totalBytes, files, totalFiles }: PullProgress): void => {
    const at = this.now();
    const past = this.#past;
    past.push({ at, bytes });
    while (past[1] !== undefined && past[1].at < at - SPAN) past.shift();
    const start = past[0] as { at: number; bytes: number };
    const rate = at > start.at ? ((bytes - start.bytes) / (at - start.at)) * 1000 : 0;
    const parts = [
      `fetching ${this.what} ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
      `${files}/${totalFiles} files`,
      ...(rate > 0 ? [`${formatBytes(rate)}/s`, `${formatSeconds((totalBytes - bytes) / rate)} left`] : []),
    ];
    this.#line.show(parts.join(', '));
  };

  /** Removes the line from a terminal. Call it at the end, too. */
  clear(): void {
    this.#line.clear();
  }
}

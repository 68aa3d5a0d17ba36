import type { StageProgress } from '../ops/python/events.js';
import type { Io } from './io.js';
import { formatSeconds } from './quantities.js';
import { StatusLine } from './status-line.js';

/** Shows on standard error how far a stage is, how fast, and how long the rest will take. */
export class StageStatus {
  readonly #line: StatusLine;

  constructor(io: Io) {
    this.#line = new StatusLine(io);
  }

  readonly update = (progress: StageProgress): void => this.#line.show(describeProgress(progress));

  show(text: string): void {
    this.#line.show(text);
  }

  /** Removes the line from a terminal, so that other text can follow. Call it at the end, too. */
  clear(): void {
    this.#line.clear();
  }
}

/** For example `training 120/7500 steps, 41.2 steps/s, loss 0.031, 3 min left`. */
export function describeProgress({ what, done, total, unit, rate, left, figures }: StageProgress): string {
  const numbers = Object.entries(figures).map(([name, value]) => `${name} ${value === null ? 'NaN' : shorten(value)}`);
  const parts = [
    `${what} ${done}/${total} ${unit}`,
    ...(rate > 0 ? [`${shorten(rate)} ${unit}/s`] : []),
    ...numbers,
    ...(left !== null && done < total ? [`${formatSeconds(left)} left`] : []),
  ];
  return parts.join(', ');
}

/** Three significant digits. */
function shorten(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

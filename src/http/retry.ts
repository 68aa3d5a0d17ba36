import { setTimeout } from 'node:timers/promises';
import { HttpError } from './http-error.js';

/** How often and how long something is tried again. */
export interface RetryOptions {
  /** Tries in all. Default: 5. */
  readonly attempts?: number | undefined;
  /** Doing it twice does no harm. */
  readonly idempotent: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Waits so many milliseconds, or until the signal aborts. */
  readonly wait?: Wait | undefined;
  /** How far the work has come: where it came on since the last try, counting begins anew. */
  readonly progress?: (() => number) | undefined;
  /** 0 to 1. */
  readonly random?: (() => number) | undefined;
}

export type Wait = (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;

const ATTEMPTS = 5;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** A server that asks for more is believed, but not waited for. */
const LONGEST_ASKED = 120_000;
/** With which all forms of a date begin. */
const DAY = /^\s*(mon|tue|wed|thu|fri|sat|sun)/i;

/**
 * Does something until it succeeds: between tries it waits as long as the server asks, else for a random time that doubles
 * (exponential backoff with full jitter).
 *
 * @param work throws {@link HttpError} for what may go away by itself
 * @throws the last error; the signal's reason when aborted
 */
export async function withRetry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts = ATTEMPTS, idempotent, signal, wait = waitFor, random = Math.random, progress } = options;
  let reached = progress?.() ?? 0;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      const now = progress?.() ?? 0;
      if (now > reached) [reached, attempt] = [now, 1];
      const pause = attempt < attempts ? pauseAfter(error, attempt, idempotent, random) : null;
      if (pause === null) throw error;
      await wait(pause, signal);
    }
  }
}

/** Milliseconds until the next try, or null where none is worth it. */
function pauseAfter(error: unknown, attempt: number, idempotent: boolean, random: () => number): number | null {
  if (!(error instanceof HttpError)) return null;
  if (error.again === 'never' || (error.again === 'where idempotent' && !idempotent)) return null;
  const { retryAfter } = error;
  if (retryAfter !== undefined) return retryAfter <= LONGEST_ASKED ? retryAfter : null;
  return random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1));
}

/**
 * What a Retry-After header asks for, in milliseconds: seconds, or a date (RFC 9110, 10.2.3).
 *
 * @returns undefined where there is none that can be read
 */
export function readRetryAfter(header: string | null, now: number = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  // `Date.parse` would take 1.5 for a day of the year 2001.
  const date = DAY.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Ends early, and without an error, where the signal aborts. */
export async function waitFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => {});
}

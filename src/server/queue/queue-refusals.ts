import { type Refusal, refusal } from '../http/refusal.js';

/** Seconds a client is told to wait where nothing is known. */
export const SHORT_WAIT = 1;

/** @param most what there is as much of as may be, such as `64 requests wait` @param retryAfter seconds */
export function queueFull(most: string, retryAfter = SHORT_WAIT): Refusal {
  return refusal('queue_full', `${most} already, as many as may`, {
    retryAfter,
    hint: 'Send it again after the time that Retry-After says.',
  });
}

export function shuttingDown(): Refusal {
  return refusal('draining', 'The server is shutting down', { retryAfter: SHORT_WAIT });
}

export function tooLate(milliseconds: number): Refusal {
  return refusal('deadline_exceeded', `The request was not done within ${milliseconds / 1000} s`);
}

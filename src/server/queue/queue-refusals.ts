import { type Refusal, refusal } from '../http/refusal.js';

/** Seconds a client is told to wait where nothing is known. */
export const SHORT_WAIT = 1;

/**
 * @param places how many it has, for all together or for each key
 * @param free milliseconds until there may be room; null where nothing is known
 */
export function queueFull(places: number, whose: 'all' | 'a key', free: number | null): Refusal {
  const size = places === 1 ? '1 place' : `${places} places`;
  return refusal(
    'queue_full',
    whose === 'all' ? `The queue is full: it has ${size}` : `A key has ${size} in the queue`,
    {
      retryAfter: Math.max(SHORT_WAIT, Math.ceil((free ?? 0) / 1000)),
      hint: 'Send it again after the time that Retry-After says.',
    },
  );
}

export function shuttingDown(): Refusal {
  return refusal('draining', 'The server is shutting down', { retryAfter: SHORT_WAIT });
}

export function tooLate(milliseconds: number): Refusal {
  return refusal('deadline_exceeded', `The request was not done within ${milliseconds / 1000} s`);
}

import { once } from 'node:events';
import type { T2IError } from '../../errors.js';
import type { Io } from '../io.js';

/** Milliseconds for what runs and waits when the program is to end: container services kill it after 30 seconds. */
export const DRAIN = 25_000;

/** Resolves with null when the program is to end, or with the reason why what it runs cannot go on. */
export function untilEnded(broken: Promise<T2IError>, { signal }: Io): Promise<T2IError | null> {
  const ended = async () => {
    if (!signal.aborted) await once(signal, 'abort');
    return null;
  };
  return Promise.race([broken, ended()]);
}

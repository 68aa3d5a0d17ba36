import { setTimeout } from 'node:timers/promises';
import type { DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { T2IError } from '../../errors.js';
import { hasEnded } from './job.js';
import type { LogFollower } from './logs.js';

/** Looks in a row that may fail before following gives up; the job goes on. */
const PATIENCE = 10;
const LONGEST_WAIT = 8;

export interface FollowOptions {
  /** Milliseconds between looks at the job and its log. */
  readonly every: number;
  readonly describe: (signal: AbortSignal) => Promise<DescribeTrainingJobResponse>;
  readonly log: Pick<LogFollower, 'poll'>;
  readonly onJob?: (job: DescribeTrainingJobResponse) => void;
  readonly onWarning?: (message: string) => void;
  readonly signal: AbortSignal;
  /** Waits so many milliseconds, or until the signal is aborted; by the system's clock where it is left out. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/**
 * Follows a job to its end, with the log of all its hosts. A service that is busy or away is asked again, later each time.
 *
 * @throws T2IError NETWORK_FAILED where it stays away, and what else the service says; the signal's reason when aborted. The job goes on.
 */
export async function followJob(options: FollowOptions): Promise<DescribeTrainingJobResponse> {
  const { every, describe, log, onJob, signal } = options;
  const { sleep = (milliseconds) => setTimeout(milliseconds, undefined, { signal }).catch(() => {}) } = options;
  const [looks, reads] = [new Tries(options), new Tries(options)];
  for (;;) {
    // Before the log, so that the log of a job that has ended is whole.
    const job = await looks.run(() => describe(signal));
    if (job !== null) onJob?.(job);
    const read = await reads.run(() => log.poll(signal));
    if (job !== null && hasEnded(job) && read !== null) return job;
    const times = Math.min(2 ** Math.max(looks.failures, reads.failures), LONGEST_WAIT);
    await sleep(every * times);
    signal.throwIfAborted();
  }
}

/** Tries of one kind of request. */
class Tries {
  /** In a row. */
  failures = 0;

  constructor(readonly options: FollowOptions) {}

  /** Null where the service could not be reached this time. */
  async run<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      const value = await work();
      this.failures = 0;
      return value;
    } catch (error) {
      this.options.signal.throwIfAborted();
      if (!T2IError.is(error) || error.code !== 'NETWORK_FAILED' || ++this.failures >= PATIENCE) throw error;
      if (this.failures === 1) this.options.onWarning?.(`${error.message}; trying again`);
      return null;
    }
  }
}

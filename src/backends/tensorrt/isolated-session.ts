import type { JobResult } from '../backend.js';
import type { QueuedJob } from '../job-queue.js';
import { fromFailure } from '../process/failure.js';
import { ProcessSession } from '../process/process-session.js';
import type { RuntimeProcess } from '../process/runtime-process.js';
import { type Outcome, TENSORRT_CHILD, type TensorrtService } from './child-calls.js';
import { takeAlike } from './job-batch.js';
import type { SessionRequest } from './open-native.js';

/**
 * Opens a session in a process of its own. Jobs that are alike cross to it in one call: they are in the queue of its session together,
 * which runs them as one.
 *
 * @throws as `openNative`, and T2IError BACKEND_CRASHED; the signal's reason when aborted
 */
export function openIsolated(
  request: SessionRequest,
  signal: AbortSignal | undefined,
): Promise<ProcessSession<TensorrtService>> {
  let largestBatch = 1;
  return ProcessSession.open(
    {
      kind: TENSORRT_CHILD,
      facts: request.facts,
      load: async (process) => {
        ({ largestBatch } = await process.call('load', request));
        return request.facts.runtime;
      },
      // The child compares every engine with its hash in the read that it opens it from.
      check: () => Promise.resolve(),
      takeTogether: (queued, queue) => takeAlike(queued, queue, largestBatch),
      run,
    },
    signal,
  );
}

function run(process: RuntimeProcess<TensorrtService>, jobs: readonly QueuedJob[]): Promise<JobResult>[] {
  const reports = jobs.map(({ report }) => report);
  const orders = jobs.map(({ job }, i) => ({ job, watched: reports[i] !== null }));
  const watched = orders.some((order) => order.watched);
  const outcomes = process.call('run', orders, watched ? ({ index, event }) => reports[index]?.(event) : null);
  return jobs.map(async (_, i) => resultOf((await outcomes)[i] as Outcome));
}

function resultOf(outcome: Outcome): JobResult {
  if ('result' in outcome) return outcome.result;
  throw fromFailure(outcome.failure);
}

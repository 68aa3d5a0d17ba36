import { parseEvent } from '../../ops/python/events.js';
import { followJob } from '../../ops/sagemaker/follow.js';
import type { JobStatus } from '../../ops/sagemaker/job.js';
import { hasEnded, jobStatus } from '../../ops/sagemaker/job.js';
import { CloudWatchSource, LogFollower, type LogLine } from '../../ops/sagemaker/logs.js';
import { printable } from '../../printable.js';
import { type Io, sleep } from '../io.js';
import { note, warn } from '../output.js';
import { describeProgress } from '../stage-status.js';
import { StatusLine } from '../status-line.js';
import { type Cloud, pollInterval } from './cloud.js';

/** The end of a job, as AWS describes it. */
export type EndedJob = Awaited<ReturnType<typeof followJob>>;

/**
 * Follows a job to its end on standard error: where it is, the log of its hosts, and how far the training is.
 *
 * @throws T2IError NETWORK_FAILED; the signal's reason when aborted. The job goes on.
 */
export async function followOnTerminal(name: string, { settings, jobs }: Cloud, io: Io): Promise<EndedJob> {
  const status = new StatusLine(io);
  const source = await CloudWatchSource.open(name, settings);
  let stage = '';
  const log = new LogFollower(source, (line) => tellLine(line, status, io));
  try {
    return await followJob({
      every: pollInterval(settings),
      describe: (signal) => jobs.describe(name, signal),
      log,
      onJob(job) {
        const now = stageOf(jobStatus(job));
        if (now !== stage && !hasEnded(job)) {
          status.clear();
          note(io, `${name}: ${now}`);
        }
        stage = now;
      },
      onWarning(message) {
        status.clear();
        warn(io, message);
      },
      signal: io.signal,
      sleep: (milliseconds) => sleep(io, milliseconds),
    });
  } finally {
    status.clear();
    source.close();
  }
}

function stageOf({ stage, status, interruptions }: JobStatus): string {
  return `${stage ?? status}${interruptions > 0 ? `, interrupted ${interruptions} times so far` : ''}`;
}

function tellLine({ host, text }: LogLine, status: StatusLine, io: Io): void {
  const event = parseEvent(text);
  // What the first host tells the others tell, too.
  if (event !== null && host !== 'algo-1') return;
  if (event?.event === 'progress') {
    status.show(describeProgress(event));
    return;
  }
  status.clear();
  if (event?.event === 'warning') warn(io, event.message);
  // What it made is told at the end, and why it failed by the job.
  else if (event === null) io.stderr.write(`${host} | ${printable(text)}\n`);
}

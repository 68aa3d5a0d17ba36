import { T2IError } from '../../errors.js';
import type { GenerateControl, Job, JobResult, NetworkName, Session } from '../backend.js';
import { JobQueue, type QueuedJob } from '../job-queue.js';
import { Backoff, type Clock } from './backoff.js';
import { type ProcessKind, RuntimeProcess } from './runtime-process.js';

/** What a session runs, in a child that offers `S`. */
export interface ProcessModel<S> {
  readonly kind: ProcessKind<S>;
  /** What is known of the engines that it runs, where it runs engines. */
  readonly facts?: Pick<Session, 'engines' | 'precisions'>;
  /** Opens the model in a fresh process. @returns name and version of the runtime in it */
  load(process: RuntimeProcess<S>): Promise<string>;
  /** Throws where the model is not what it was when the session was opened; asked before every restart. */
  check(): Promise<void>;
  /** Takes those out of the queue that run as one with a job whose turn it is, and gives them all; absent where each runs by itself. */
  readonly takeTogether?: (queued: QueuedJob, queue: JobQueue) => readonly QueuedJob[];
  /** Carries out jobs that were taken together. @returns the result of each */
  run(process: RuntimeProcess<S>, jobs: readonly QueuedJob[]): readonly Promise<JobResult>[];
}

type Outcome = PromiseSettledResult<JobResult>;

/**
 * One model in one child process; jobs run in the order of their calls. A crash or a lost device fails the running job alone, and
 * those that run as one with it: the next one starts a fresh process, at once the first time, later ones after a growing wait.
 */
export class ProcessSession<S = unknown> implements Session {
  readonly engines?: Readonly<Record<NetworkName, string>>;
  readonly precisions?: Readonly<Record<NetworkName, string>>;
  readonly #queue = new JobQueue((queued) => this.#run(queued));
  readonly #backoff: Backoff;
  #closing: Promise<void> | null = null;
  #process: RuntimeProcess<S>;
  #runtime = '';

  private constructor(
    private readonly model: ProcessModel<S>,
    clock?: Clock,
  ) {
    this.#backoff = new Backoff(clock);
    if (model.facts?.engines) this.engines = model.facts.engines;
    if (model.facts?.precisions) this.precisions = model.facts.precisions;
    this.#process = this.#start();
  }

  /**
   * @param signal ends the opening, and the process, at once
   * @param clock of the waits after crashes; the system's by default
   * @throws T2IError BACKEND_UNAVAILABLE, BACKEND_CRASHED, and what the model's `load` throws; the signal's reason when aborted
   */
  static async open<S>(model: ProcessModel<S>, signal?: AbortSignal, clock?: Clock): Promise<ProcessSession<S>> {
    const session = new ProcessSession(model, clock);
    await session.#process.stoppedBy(signal, () => session.#load());
    session.#process.release();
    return session;
  }

  get runtime(): string {
    return this.#runtime;
  }

  /** Id of the child process, for diagnosis; a crash changes it. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  generate(job: Job, control: GenerateControl = {}): Promise<JobResult> {
    return this.#queue.add(job, control);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#queue.close();
    await this.#process.stop();
  }

  async #run(queued: QueuedJob): Promise<void> {
    this.#process.hold();
    try {
      if (this.#process.ended) await this.#restart(queued);
      if (queued.settled) return;
      const jobs = this.model.takeTogether?.(queued, this.#queue) ?? [queued];
      const outcomes = await this.#call(jobs);
      for (const [i, job] of jobs.entries()) settle(job, outcomes[i] as Outcome);
    } finally {
      // `close` waits for the process and must not lose its hold.
      if (this.#closing === null) this.#process.release();
    }
  }

  /** What became of each of some jobs that run as one. */
  async #call(jobs: readonly QueuedJob[]): Promise<readonly Outcome[]> {
    const process = this.#process;
    // Each caller is told at once; the process ends its step first, once all have left, and only then is it free for the next job.
    const leave = () => {
      if (jobs.every(({ settled }) => settled)) process.abort();
    };
    for (const { signal } of jobs) signal.addEventListener('abort', leave, { once: true });
    const outcomes = await Promise.allSettled(this.model.run(process, jobs));
    if (outcomes.some(lostDevice)) {
      this.#backoff.crashed();
      await process.stop();
    } else if (outcomes.some(({ status }) => status === 'fulfilled')) this.#backoff.succeeded();
    return outcomes;
  }

  /** A fresh process with the model in it, unless nobody wants it any more; a start that is under way goes on for the next job. */
  async #restart(queued: QueuedJob): Promise<void> {
    await this.#backoff.wait(queued.signal);
    if (queued.settled) return;
    await this.model.check();
    if (queued.settled) return;
    this.#process = this.#start();
    await this.#load();
  }

  #start(): RuntimeProcess<S> {
    return new RuntimeProcess(this.model.kind, () => this.#backoff.crashed());
  }

  async #load(): Promise<void> {
    try {
      await this.#process.ready();
      this.#runtime = await this.model.load(this.#process);
    } catch (error) {
      await this.#process.stop();
      throw error;
    }
  }
}

function settle(job: QueuedJob, outcome: Outcome): void {
  if (outcome.status === 'fulfilled') job.resolve(outcome.value);
  else job.reject(lostDevice(outcome) ?? outcome.reason);
}

/** What to tell where the device was lost, else null. */
function lostDevice(outcome: Outcome): T2IError | null {
  if (outcome.status === 'fulfilled') return null;
  const cause: unknown = outcome.reason;
  if (!T2IError.is(cause) || cause.code !== 'DEVICE_LOST') return null;
  const hint = 'The next request starts a fresh process, which can use the GPU again.';
  return new T2IError('DEVICE_LOST', cause.message, { hint, cause });
}

import { checkSeed } from '../../diffusion/noise.js';
import { T2IError } from '../../errors.js';
import type { GenerateControl, Job, JobResult, NetworkName, Session } from '../backend.js';
import { JobQueue, type QueuedJob } from '../job-queue.js';
import { JobBatch, type ReadyJob, takeAlike } from './job-batch.js';
import type { KernelKeeper } from './kernel-keeper.js';
import type { NativeResult, NativeSession } from './native.js';
import { fromNative } from './native-error.js';
import type { NoiseDrawer } from './noise-thread.js';
import { noiseOrder, SharedNoise } from './shared-noise.js';

/** What is known of a session before its first job. */
export interface SessionFacts {
  /** For example `tensorrt 10.15.1`. */
  readonly runtime: string;
  /** SHA-256 in hex of each serialized engine. */
  readonly engines: Readonly<Record<NetworkName, string>>;
  /** What each of them computes in. */
  readonly precisions: Readonly<Record<NetworkName, string>>;
  /** What every result warns of, for example a network that runs in a higher precision. */
  readonly warnings: readonly string[];
  /** Makes an error of what a job would warn of. */
  readonly strict: boolean;
}

/**
 * A native session, as the contract of backends has it. Jobs run on its thread, in the order of their calls; those that are alike and
 * wait when the turn of the first comes run with it, as many as the engine takes at once. While one runs the next one is handed over,
 * so that the GPU need not wait for it; those behind it hold no noise yet. Noise is drawn on a thread of its own, while earlier steps run.
 */
export class TensorrtSession implements Session {
  readonly runtime: string;
  readonly engines: Readonly<Record<NetworkName, string>>;
  readonly precisions: Readonly<Record<NetworkName, string>>;
  readonly #queue = new JobQueue((queued) => this.#run(queued));
  /** What was handed over last; never rejects. */
  #running: Promise<void> = Promise.resolve();
  #lost: T2IError | null = null;
  #closing: Promise<void> | null = null;

  /** @param latentChannels of the model */
  constructor(
    private readonly native: NativeSession,
    private readonly facts: SessionFacts,
    private readonly latentChannels: number,
    private readonly keeper: KernelKeeper,
    private readonly noise: NoiseDrawer,
  ) {
    this.runtime = facts.runtime;
    this.engines = facts.engines;
    this.precisions = facts.precisions;
  }

  /** Rows of one forward of the UNet. */
  get largestBatch(): number {
    return this.native.largestBatch;
  }

  generate(job: Job, control: GenerateControl = {}): Promise<JobResult> {
    return this.#queue.add(job, control);
  }

  close(): Promise<void> {
    this.#queue.close();
    // What the last job had compiled is on its way to the disk.
    this.#closing ??= this.keeper
      .idle()
      .then(() => this.native.close())
      .finally(() => this.noise.close());
    return this.#closing;
  }

  async #run(first: QueuedJob): Promise<void> {
    if (this.#lost !== null) throw this.#lost;
    const [ready, ...along] = this.#makeReady(takeAlike(first, this.#queue, this.largestBatch));
    if (ready === undefined) return;
    const before = this.#running;
    this.#running = this.#draw(new JobBatch([ready, ...along]));
    await before;
  }

  /** Has the noise of jobs that are alike drawn; those for which that cannot be are at their end. */
  #makeReady(jobs: readonly QueuedJob[]): ReadyJob[] {
    const ready: ReadyJob[] = [];
    for (const queued of jobs) {
      const { job } = queued;
      try {
        for (const seed of job.seeds) checkSeed(seed);
        ready.push({ queued, noise: job.seeds.map(() => SharedNoise.for(job.plan, this.#latentSize(job))) });
      } catch (error) {
        queued.reject(error);
      }
    }
    const [first] = ready;
    if (first === undefined) return [];
    const { job } = first.queued;
    const seeds = ready.flatMap(({ queued }) => queued.job.seeds);
    const noise = ready.flatMap((each) => each.noise);
    this.noise.draw(noiseOrder(seeds, noise, job.plan, this.#latentSize(job)));
    return ready;
  }

  #latentSize({ latentHeight, latentWidth }: Job): number {
    return this.latentChannels * latentHeight * latentWidth;
  }

  /** Resolves when each job of the batch is settled. */
  async #draw(batch: JobBatch): Promise<void> {
    const { signal } = batch;
    try {
      const result = await this.native.generate(
        batch.toNative(),
        signal,
        batch.watched ? (events) => batch.tell(events) : null,
      );
      this.#finish(batch, result);
    } catch (caught) {
      const error = this.#noteLoss(fromNative(caught, signal));
      if (this.#lost === null && !signal.aborted && batch.members.length > 1) await this.#drawEach(batch);
      else batch.reject(error);
    }
  }

  /** One of them may be the cause, or all of them together too many: each is tried by itself. */
  async #drawEach({ members }: JobBatch): Promise<void> {
    for (const member of members) if (!member.queued.settled) await this.#draw(new JobBatch([member]));
  }

  #finish(batch: JobBatch, result: NativeResult): void {
    const { strict, warnings } = this.facts;
    this.keeper.after(batch.members[0].queued.job, batch.images);
    if (strict && result.warnings.length > 0) batch.reject(fallbackRefused(result.warnings));
    else batch.resolve(result, warnings);
  }

  /** Nothing in this process can use the GPU again. */
  #noteLoss(error: unknown): unknown {
    if (!T2IError.is(error) || error.code !== 'DEVICE_LOST') return error;
    this.#lost = new T2IError('DEVICE_LOST', error.message, {
      hint: "Start a new process: only that can use the GPU again. A session with isolation 'process' does so by itself.",
      cause: error,
    });
    return this.#lost;
  }
}

/** What is an error under `strict`. */
export function fallbackRefused(warnings: readonly string[]): T2IError {
  return new T2IError('BACKEND_FAILED', `strict forbids fallbacks: ${warnings.join(' ')}`, {
    hint: 'Leave out strict to go on with a warning.',
  });
}

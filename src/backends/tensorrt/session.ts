import { T2IError } from '../../errors.js';
import type { GenerateControl, Job, JobResult, NetworkName, Session } from '../backend.js';
import { HashedNoise } from '../hashed-noise.js';
import { JobQueue, type QueuedJob } from '../job-queue.js';
import type { KernelKeeper } from './kernel-keeper.js';
import type { NativeImage, NativeJob, NativeResult, NativeSession, NativeStep } from './native.js';
import { fromNative } from './native-error.js';

/** What is known of a session before its first job. */
export interface SessionFacts {
  /** For example `tensorrt 10.15.1`. */
  readonly runtime: string;
  /** SHA-256 in hex of the plan of each engine. */
  readonly engines: Readonly<Record<NetworkName, string>>;
  /** What every result warns of, for example a network that runs in a higher precision. */
  readonly warnings: readonly string[];
  /** Makes an error of what a job would warn of. */
  readonly strict: boolean;
}

/**
 * A native session, as the contract of backends has it. Jobs run on its thread, in the order of their calls. While one runs the next
 * one's noise is made and handed over, so that the GPU need not wait for it; those behind it hold none yet.
 */
export class TensorrtSession implements Session {
  readonly runtime: string;
  readonly engines: Readonly<Record<NetworkName, string>>;
  readonly #queue = new JobQueue((queued) => this.#run(queued));
  /** The job that was handed over last; never rejects. */
  #running: Promise<void> = Promise.resolve();
  #lost: T2IError | null = null;
  #closing: Promise<void> | null = null;

  /** @param latentChannels of the model */
  constructor(
    private readonly native: NativeSession,
    private readonly facts: SessionFacts,
    private readonly latentChannels: number,
    private readonly keeper: KernelKeeper,
  ) {
    this.runtime = facts.runtime;
    this.engines = facts.engines;
  }

  generate(job: Job, control: GenerateControl = {}): Promise<JobResult> {
    return this.#queue.add(job, control);
  }

  close(): Promise<void> {
    this.#queue.close();
    // What the last job had compiled is on its way to the disk.
    this.#closing ??= this.keeper.idle().then(() => this.native.close());
    return this.#closing;
  }

  async #run(queued: QueuedJob): Promise<void> {
    const { job, signal } = queued;
    if (this.#lost !== null) throw this.#lost;
    const latentSize = this.latentChannels * job.latentHeight * job.latentWidth;
    const noise = job.seeds.map((seed) => new HashedNoise(seed, latentSize));
    const images: { noise: Float32Array }[] = [];
    for (const each of noise) images.push({ noise: await each.all(job.plan, signal) });
    const noiseSha256 = noise.map((each) => each.sha256());
    const { report } = queued;
    const onEvents = (events: readonly (NativeStep | NativeImage)[]) => {
      for (const event of events)
        report?.('raster' in event ? { ...event, noiseSha256: noiseSha256[event.image] as string } : event);
    };
    const before = this.#running;
    this.#running = this.native.generate(toNative(job, images, report !== null), signal, report && onEvents).then(
      (result) => this.#finish(queued, result, noiseSha256),
      (error) => queued.reject(this.#noteLoss(fromNative(error, signal))),
    );
    await before;
  }

  #finish(queued: QueuedJob, { images, timings, warnings: own }: NativeResult, noiseSha256: readonly string[]): void {
    this.keeper.after(queued.job);
    if (this.facts.strict && own.length > 0) queued.reject(fallbackRefused(own));
    else queued.resolve({ images, noiseSha256, timings, warnings: [...this.facts.warnings, ...own] });
  }

  /** Nothing in this process can use the device again. */
  #noteLoss(error: unknown): unknown {
    if (!T2IError.is(error) || error.code !== 'DEVICE_LOST') return error;
    this.#lost = new T2IError('DEVICE_LOST', error.message, {
      hint: "Start a new process: only that can use the device again. A session with isolation 'process' does so by itself.",
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

function toNative(job: Job, images: NativeJob['images'], watched: boolean): NativeJob {
  return { ...job, images, previewEvery: watched ? job.previewEvery : 0 };
}

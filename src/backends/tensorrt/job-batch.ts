import { isDeepStrictEqual } from 'node:util';
import type { Job, Raster } from '../backend.js';
import type { JobQueue, QueuedJob } from '../job-queue.js';
import type { NativeImage, NativeJob, NativeResult, NativeStep } from './native.js';
import type { SharedNoise } from './shared-noise.js';

/**
 * Takes those out of the queue that can run as one with a job whose turn it is: alike, and as many as the engine takes at once.
 *
 * @param largestBatch rows of one forward of the UNet
 * @returns that job and those
 */
export function takeAlike(queued: QueuedJob, queue: JobQueue, largestBatch: number): QueuedJob[] {
  const { job } = queued;
  const imagesAtOnce = Math.floor(largestBatch / (job.guidance === null ? 1 : 2));
  return [queued, ...queue.takeAlong((other) => alike(other, job), imagesAtOnce - job.seeds.length)];
}

/** All but their prompts and seeds is the same. */
function alike(one: Job, other: Job): boolean {
  return isDeepStrictEqual(commonPart(one), commonPart(other));
}

function commonPart({ promptIds: _, seeds: __, guidance, ...rest }: Job) {
  return { ...rest, guidanceScale: guidance?.scale ?? null };
}

/** A job whose noise is being drawn. */
export interface ReadyJob {
  readonly queued: QueuedJob;
  /** Of each of its images. */
  readonly noise: readonly SharedNoise[];
}

/** An image of a batch. */
interface Seat {
  readonly member: ReadyJob;
  /** Index among the images of its own job. */
  readonly image: number;
  readonly report: QueuedJob['report'];
}

/** Jobs that are alike and run as one; each has listeners, an abort and an end of its own. */
export class JobBatch {
  readonly #seats: readonly Seat[];
  readonly #abort = new AbortController();

  /** @param members at least one, each alike the first; none is settled */
  constructor(readonly members: readonly [ReadyJob, ...ReadyJob[]]) {
    this.#seats = members.flatMap((member) => {
      const { report, job } = member.queued;
      return job.seeds.map((_, image) => ({ member, image, report }));
    });
    for (const {
      queued: { signal },
    } of members)
      signal.addEventListener('abort', () => this.#leave(signal), { once: true });
  }

  /** Aborts when nobody wants any of its images any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get images(): number {
    return this.#seats.length;
  }

  get watched(): boolean {
    return this.#seats.some(({ report }) => report !== null);
  }

  toNative(): NativeJob {
    const { guidance, promptIds: _, seeds: __, previewEvery, ...shared } = this.members[0].queued.job;
    const images = this.#seats.map(({ member: { queued, noise }, image }) => ({
      promptIds: queued.job.promptIds,
      negativeIds: queued.job.guidance?.negativeIds ?? null,
      ...noiseOf(noise[image] as SharedNoise),
    }));
    const guidanceScale = guidance?.scale ?? null;
    return { ...shared, guidanceScale, images, previewEvery: this.watched ? previewEvery : 0 };
  }

  /** Tells each job of its own images. */
  tell(events: readonly (NativeStep | NativeImage)[]): void {
    for (const event of events) {
      const { member, image, report } = this.#seats[event.image] as Seat;
      const { sha256: noiseSha256 } = member.noise[image] as SharedNoise;
      report?.('raster' in event ? { ...event, image, noiseSha256 } : { ...event, image });
    }
  }

  /** @param warnings of the session */
  resolve({ images, timings, warnings: own }: NativeResult, warnings: readonly string[]): void {
    for (const member of this.members) {
      const rasters = images.filter((_, seat) => this.#seats[seat]?.member === member) as Raster[];
      const { queued, noise } = member;
      const noiseSha256 = noise.map(({ sha256 }) => sha256);
      queued.resolve({ images: rasters, noiseSha256, timings, warnings: [...warnings, ...own] });
    }
  }

  reject(reason: unknown): void {
    for (const { queued } of this.members) queued.reject(reason);
  }

  #leave({ reason }: AbortSignal): void {
    if (!this.members.every(({ queued }) => queued.settled)) return;
    for (const each of this.members.flatMap(({ noise }) => noise)) each.abandon();
    this.#abort.abort(reason);
  }
}

function noiseOf({ values, drawn }: SharedNoise) {
  return { noise: values, drawn };
}

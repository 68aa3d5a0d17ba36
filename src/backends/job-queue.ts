import { T2IError } from '../errors.js';
import type { GenerateControl, ImageEvent, Job, JobResult, StepEvent } from './backend.js';

/** A job that waits or runs. The first to settle it wins; the session may be busy with it for a while longer. */
export class QueuedJob {
  readonly result: Promise<JobResult>;
  readonly #control: GenerateControl;
  readonly #abort = new AbortController();
  /** Steps that were told of each image; more than any where the image itself was. */
  readonly #told = new Map<number, number>();
  readonly #onAbort = () => this.reject(this.#control.signal?.reason);
  #settle: { resolve(result: JobResult): void; reject(reason: unknown): void } | null = null;

  /** @param onSettled called once, when the job is settled */
  constructor(
    readonly job: Job,
    control: GenerateControl,
    private readonly onSettled: () => void,
  ) {
    this.#control = control;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    control.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Aborts when the job is rejected, by whomever: nobody wants its result any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get settled(): boolean {
    return this.#settle === null;
  }

  /**
   * Tells the caller of a step or an image, once, though a job that is repeated comes to it again; a listener may end the job by
   * throwing. Null where nobody watches.
   */
  get report(): ((event: StepEvent | ImageEvent) => void) | null {
    const { onStep, onImage } = this.#control;
    if (onStep === undefined && onImage === undefined) return null;
    return (event) => {
      if (this.settled || this.#wasTold(event)) return;
      try {
        if ('raster' in event) onImage?.(event);
        else onStep?.(event);
      } catch (error) {
        this.reject(error);
      }
    };
  }

  #wasTold(event: StepEvent | ImageEvent): boolean {
    const step = 'raster' in event ? Number.POSITIVE_INFINITY : event.step;
    if (step <= (this.#told.get(event.image) ?? 0)) return true;
    this.#told.set(event.image, step);
    return false;
  }

  resolve(result: JobResult): void {
    this.#take()?.resolve(result);
  }

  reject(reason: unknown): void {
    const settle = this.#take();
    if (settle === null) return;
    settle.reject(reason);
    this.#abort.abort(reason);
  }

  #take() {
    const settle = this.#settle;
    if (settle === null) return null;
    this.#settle = null;
    this.#control.signal?.removeEventListener('abort', this.#onAbort);
    this.onSettled();
    return settle;
  }
}

/** The jobs of one session, in the order of their calls. */
export class JobQueue {
  readonly #unsettled = new Set<QueuedJob>();
  /** In the order of their calls; those that are settled leave it. */
  readonly #waiting = new Set<QueuedJob>();
  #draining = false;
  #closed = false;

  /** @param run starts a job and settles it sooner or later; resolves when the next one may be started; what it throws rejects the job */
  constructor(private readonly run: (queued: QueuedJob) => Promise<void>) {}

  /** @throws T2IError CLOSED; the signal's reason when aborted; what a listener throws; what the run rejects the job with */
  add(job: Job, control: GenerateControl): Promise<JobResult> {
    if (this.#closed) return Promise.reject(closed());
    if (control.signal?.aborted) return Promise.reject(control.signal.reason);
    const queued = new QueuedJob(job, control, () => {
      this.#unsettled.delete(queued);
      this.#waiting.delete(queued);
    });
    this.#unsettled.add(queued);
    this.#waiting.add(queued);
    void this.#drain();
    return queued.result;
  }

  /** Takes out of the queue, in the order of their calls, jobs that run along with another: those for whose images there is room. */
  takeAlong(runsAlong: (job: Job) => boolean, room: number): QueuedJob[] {
    const taken: QueuedJob[] = [];
    for (const queued of this.#waiting) {
      if (queued.job.seeds.length > room || !runsAlong(queued.job)) continue;
      this.#waiting.delete(queued);
      taken.push(queued);
      room -= queued.job.seeds.length;
    }
    return taken;
  }

  /** Refuses new jobs, and ends those that wait or run with CLOSED. */
  close(): void {
    this.#closed = true;
    for (const queued of this.#unsettled) queued.reject(closed());
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    for (const queued of this.#waiting) {
      // Those who ask in the same turn are in the queue then, and those who gave it up meanwhile are not.
      await Promise.resolve();
      if (!this.#waiting.delete(queued)) continue;
      await this.run(queued).catch((error) => queued.reject(error));
    }
    this.#draining = false;
  }
}

function closed(): T2IError {
  return new T2IError('CLOSED', 'The session was closed before or during the request.', {
    hint: 'Load the pipeline again, or close it after the last image.',
  });
}

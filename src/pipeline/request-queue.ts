import { T2IError } from '../errors.js';

/**
 * Requests of one pipeline, in the order of their calls. What a request runs on, its noise above all, is made when its turn comes:
 * while the one before it runs. So a request that waits costs next to nothing, and the backend need not wait for its job.
 */
export class RequestQueue {
  readonly #preparing = new Lock();
  readonly #running = new Lock();
  #pending = 0;

  /** @param limit most requests that may wait, the one that runs not counted */
  constructor(private readonly limit: number) {}

  /**
   * @param prepare makes the job; no two run at once
   * @param execute runs it; no two run at once
   * @throws T2IError QUEUE_FULL at once; the signal's reason where it aborts while the request waits; what the two throw
   */
  async run<Job, Result>(
    signal: AbortSignal,
    prepare: () => Promise<Job>,
    execute: (job: Job) => Promise<Result>,
  ): Promise<Result> {
    if (this.#pending > this.limit) throw this.#full();
    this.#pending++;
    try {
      const job = await this.#prepare(signal, prepare);
      try {
        return await execute(job);
      } finally {
        this.#running.free();
      }
    } finally {
      this.#pending--;
    }
  }

  /** The job, and with it the turn to run. */
  async #prepare<Job>(signal: AbortSignal, prepare: () => Promise<Job>): Promise<Job> {
    await this.#preparing.take(signal);
    try {
      const job = await prepare();
      await this.#running.take(signal);
      return job;
    } finally {
      this.#preparing.free();
    }
  }

  #full(): T2IError {
    const message = `${this.limit} requests wait already, the most that maxQueue allows`;
    return new T2IError('QUEUE_FULL', message, {
      hint: 'Send the request again when others are done, or load the pipeline with a larger maxQueue.',
    });
  }
}

/** Held by one at a time, in the order of the calls. */
class Lock {
  readonly #waiters: (() => void)[] = [];
  #taken = false;

  /** @throws the signal's reason where it aborts before the lock is had */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#taken) {
      this.#taken = true;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        this.#waiters.splice(this.#waiters.indexOf(go), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiters.push(go);
    });
  }

  free(): void {
    const next = this.#waiters.shift();
    if (next) next();
    else this.#taken = false;
  }
}

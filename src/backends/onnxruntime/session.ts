import { T2IError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { GenerateControl, Job, JobResult, Session, StepEvent } from '../backend.js';
import { RuntimeProcess } from './runtime-process.js';

interface Entry {
  readonly job: Job;
  readonly onStep: GenerateControl['onStep'];
  readonly resolve: (result: JobResult) => void;
  readonly reject: (reason: unknown) => void;
  /** Its promise is resolved or rejected; the process may still be busy with it. */
  settled: boolean;
}

/** One model in one child process; jobs run in the order of their calls. A crash fails the running job alone. */
export class OnnxruntimeSession implements Session {
  readonly #queue: Entry[] = [];
  #running: Entry | null = null;
  #closing: Promise<void> | null = null;

  #process = new RuntimeProcess();

  private constructor(
    private readonly model: ModelDescription,
    private readonly threads: number | undefined,
  ) {}

  /** @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, BACKEND_CRASHED, OUT_OF_MEMORY */
  static async open(model: ModelDescription, threads: number | undefined): Promise<OnnxruntimeSession> {
    const session = new OnnxruntimeSession(model, threads);
    await session.#load();
    session.#process.release();
    return session;
  }

  /** Id of the child process, for diagnosis; a crash changes it. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  generate(job: Job, control: GenerateControl = {}): Promise<JobResult> {
    const { signal } = control;
    if (this.#closing !== null) return Promise.reject(closed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<JobResult>((resolve, reject) => {
      const onAbort = () => this.#giveUp(entry, signal?.reason);
      const settle = () => {
        entry.settled = true;
        signal?.removeEventListener('abort', onAbort);
      };
      const entry: Entry = {
        job,
        settled: false,
        onStep: control.onStep,
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(entry);
      if (this.#running === null) void this.#drain();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const entry of this.#queue.splice(0)) entry.reject(closed());
    if (this.#running?.settled === false) this.#running.reject(closed());
    await this.#process.stop();
  }

  /** Rejects at once; the process ends its step first and then takes the next job. */
  #giveUp(entry: Entry, reason: unknown): void {
    entry.reject(reason);
    const place = this.#queue.indexOf(entry);
    if (place >= 0) this.#queue.splice(place, 1);
    else this.#process.abort();
  }

  async #drain(): Promise<void> {
    this.#process.hold();
    for (let entry = this.#queue.shift(); entry !== undefined; entry = this.#queue.shift()) {
      this.#running = entry;
      await this.#run(entry);
    }
    this.#running = null;
    // `close` waits for the process and must not lose its hold.
    if (this.#closing === null) this.#process.release();
  }

  async #run(entry: Entry): Promise<void> {
    try {
      if (this.#process.ended) {
        this.#process = new RuntimeProcess();
        await this.#load();
      }
      if (entry.settled) return;
      const { onStep } = entry;
      const report = onStep && ((event: StepEvent) => this.#report(entry, () => onStep(event)));
      entry.resolve(await this.#process.run(entry.job, report));
    } catch (error) {
      if (!entry.settled) entry.reject(error);
    }
  }

  async #load(): Promise<void> {
    try {
      await this.#process.load(this.model, this.threads);
    } catch (error) {
      await this.#process.stop();
      throw error;
    }
  }

  #report(entry: Entry, call: () => void): void {
    if (entry.settled) return;
    try {
      call();
    } catch (error) {
      this.#giveUp(entry, error);
    }
  }
}

function closed(): T2IError {
  return new T2IError('CLOSED', 'The session was closed before or during the request.', {
    hint: 'Load the pipeline again, or close it after the last picture.',
  });
}

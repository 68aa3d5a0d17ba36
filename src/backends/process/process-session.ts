import { T2IError } from '../../errors.js';
import type { GenerateControl, Job, JobResult, NetworkName, Session, StepEvent } from '../backend.js';
import { Backoff } from './backoff.js';
import { type ProcessKind, RuntimeProcess } from './runtime-process.js';

/** What a session runs. */
export interface ProcessModel {
  readonly kind: ProcessKind;
  /** Asked once the model is open. */
  runtime(): string;
  readonly engines?: Readonly<Record<NetworkName, string>>;
  /** Value of the call `load` that opens the model in a fresh process; its `run` takes a Job and tells StepEvents. */
  readonly load: unknown;
  /** Throws where the model is not what it was when the session was opened; asked before every restart. */
  readonly check: () => Promise<void>;
}

interface Entry {
  readonly job: Job;
  readonly onStep: GenerateControl['onStep'];
  readonly resolve: (result: JobResult) => void;
  readonly reject: (reason: unknown) => void;
  /** Aborts when its promise is resolved or rejected; the process may still be busy with it. */
  readonly settled: AbortSignal;
  /** Whether the process was told to run it. */
  started: boolean;
}

/**
 * One model in one child process; jobs run in the order of their calls. A crash or a lost device fails the running job alone: the
 * next one starts a fresh process, at once the first time, later ones after a growing wait.
 */
export class ProcessSession implements Session {
  readonly engines?: Readonly<Record<NetworkName, string>>;
  readonly #queue: Entry[] = [];
  readonly #backoff = new Backoff();
  readonly #closed = new AbortController();
  #running: Entry | null = null;
  #closing: Promise<void> | null = null;
  #process: RuntimeProcess;

  private constructor(private readonly model: ProcessModel) {
    if (model.engines) this.engines = model.engines;
    this.#process = this.#start();
  }

  /**
   * @param signal ends the opening, and the process, at once
   * @throws T2IError BACKEND_UNAVAILABLE, BACKEND_CRASHED, and what the child's `load` throws; the signal's reason when aborted
   */
  static async open(model: ProcessModel, signal?: AbortSignal): Promise<ProcessSession> {
    const session = new ProcessSession(model);
    await session.#process.stoppedBy(signal, () => session.#load());
    session.#process.release();
    return session;
  }

  get runtime(): string {
    return this.model.runtime();
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
      const settled = new AbortController();
      const settle = () => {
        settled.abort();
        signal?.removeEventListener('abort', onAbort);
      };
      const entry: Entry = {
        job,
        settled: settled.signal,
        started: false,
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
    if (this.#running?.settled.aborted === false) this.#running.reject(closed());
    this.#closed.abort();
    await this.#process.stop();
  }

  /**
   * Rejects at once; the process ends its step first and then takes the next job. A restart that is under way goes on: the next
   * job needs it too.
   */
  #giveUp(entry: Entry, reason: unknown): void {
    entry.reject(reason);
    const place = this.#queue.indexOf(entry);
    if (place >= 0) this.#queue.splice(place, 1);
    else if (entry.started) this.#process.abort();
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
      if (this.#process.ended) await this.#restart(entry);
      if (entry.settled.aborted) return;
      entry.started = true;
      const { onStep } = entry;
      const report = onStep && ((event: StepEvent) => this.#report(entry, () => onStep(event)));
      const result = (await this.#process.call('run', entry.job, report)) as JobResult;
      this.#backoff.succeeded();
      entry.resolve(result);
    } catch (error) {
      const lost = T2IError.is(error) && error.code === 'DEVICE_LOST';
      if (lost) {
        this.#backoff.crashed();
        await this.#process.stop();
      }
      if (!entry.settled.aborted) entry.reject(lost ? deviceLost(error) : error);
    }
  }

  /** A fresh process with the model in it, unless nobody wants it any more. */
  async #restart(entry: Entry): Promise<void> {
    await this.#backoff.wait(AbortSignal.any([this.#closed.signal, entry.settled]));
    if (entry.settled.aborted) return;
    await this.model.check();
    this.#process = this.#start();
    await this.#load();
  }

  #start(): RuntimeProcess {
    return new RuntimeProcess(this.model.kind, () => this.#backoff.crashed());
  }

  async #load(): Promise<void> {
    try {
      await this.#process.ready();
      await this.#process.call('load', this.model.load);
    } catch (error) {
      await this.#process.stop();
      throw error;
    }
  }

  #report(entry: Entry, call: () => void): void {
    if (entry.settled.aborted) return;
    try {
      call();
    } catch (error) {
      this.#giveUp(entry, error);
    }
  }
}

function deviceLost(cause: T2IError): T2IError {
  const hint = 'The next request starts a fresh process, which can use the device again.';
  return new T2IError('DEVICE_LOST', cause.message, { hint, cause });
}

function closed(): T2IError {
  return new T2IError('CLOSED', 'The session was closed before or during the request.', {
    hint: 'Load the pipeline again, or close it after the last picture.',
  });
}

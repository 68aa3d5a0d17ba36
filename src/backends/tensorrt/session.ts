import { usesGuidance } from '../../diffusion/loop.js';
import { T2IError } from '../../errors.js';
import type { GenerateControl, Job, JobResult, NetworkName, Session } from '../backend.js';
import type { NativeJob, NativeResult, NativeSession, NativeStep } from './native.js';
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

/** A native session, as the contract of backends has it. Jobs queue on its thread, in the order of their calls. */
export class TensorrtSession implements Session {
  readonly runtime: string;
  readonly engines: Readonly<Record<NetworkName, string>>;
  #lost: T2IError | null = null;
  #closing: Promise<void> | null = null;

  constructor(
    private readonly native: NativeSession,
    private readonly facts: SessionFacts,
  ) {
    this.runtime = facts.runtime;
    this.engines = facts.engines;
  }

  generate(job: Job, { signal, onStep }: GenerateControl = {}): Promise<JobResult> {
    if (this.#closing !== null) return Promise.reject(closed());
    if (this.#lost !== null) return Promise.reject(this.#lost);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const abort = new AbortController();
      let settled = false;
      const settle = (how: () => void) => {
        if (settled) return;
        settled = true;
        signal?.removeEventListener('abort', onAbort);
        how();
      };
      /** Rejects at once; the thread ends its step first and then takes the next job. */
      const giveUp = (reason: unknown) => {
        settle(() => reject(reason));
        abort.abort();
      };
      const onAbort = () => giveUp(signal?.reason);
      const report = (steps: readonly NativeStep[]) => {
        try {
          for (const step of steps) if (!settled) onStep?.(step);
        } catch (error) {
          giveUp(error);
        }
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.native.generate(toNative(job, onStep !== undefined), abort.signal, onStep ? report : null).then(
        (result) => settle(() => this.#finish(result, resolve, reject)),
        (error) => settle(() => reject(this.#noteLoss(fromNative(error, abort.signal)))),
      );
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.native.close();
    return this.#closing;
  }

  #finish(
    { images, timings, warnings: own }: NativeResult,
    resolve: (result: JobResult) => void,
    reject: (e: T2IError) => void,
  ) {
    if (this.facts.strict && own.length > 0) reject(fallbackRefused(own));
    else resolve({ images, timings, warnings: [...this.facts.warnings, ...own] });
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

function toNative(job: Job, watched: boolean): NativeJob {
  return {
    ...job,
    negativeIds: usesGuidance(job.guidanceScale) ? job.negativeIds : null,
    previewEvery: watched ? job.previewEvery : 0,
  };
}

function closed(): T2IError {
  return new T2IError('CLOSED', 'The session was closed before or during the request.', {
    hint: 'Load the pipeline again, or close it after the last picture.',
  });
}

import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { T2IError } from '../../errors.js';
import type { Port, Runtime } from './port.js';

type Ports = Readonly<Record<string, Port>>;

/** One graph of a model, opened. */
export class Network {
  readonly #session: InferenceSession;
  #spent = 0;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** @throws T2IError MODEL_INVALID, OUT_OF_MEMORY */
  static async open(runtime: Runtime, path: string, threads: number | undefined): Promise<Network> {
    try {
      const options: InferenceSession.SessionOptions = {
        graphOptimizationLevel: 'all',
        executionMode: 'sequential',
        // The arena keeps what the largest image took until the session ends: 18 GB after one of 2048 pixels.
        enableCpuMemArena: false,
        logSeverityLevel: 3,
        ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      };
      return new Network(await runtime.InferenceSession.create(path, options));
    } catch (error) {
      throw runtimeError(error, 'MODEL_INVALID', `onnxruntime cannot load ${path}`);
    }
  }

  /**
   * Runs the graph once.
   *
   * @param outputs where results go; the runtime allocates those that are null
   * @throws T2IError BACKEND_FAILED, OUT_OF_MEMORY
   */
  async run(inputs: Ports, outputs: Readonly<Record<string, Port | null>>): Promise<Readonly<Record<string, Tensor>>> {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, port]) => [name, port.tensor]));
    const fetches = Object.fromEntries(Object.entries(outputs).map(([name, port]) => [name, port?.tensor ?? null]));
    const start = performance.now();
    try {
      return (await this.#session.run(feeds, fetches)) as Record<string, Tensor>;
    } catch (error) {
      throw runtimeError(error, 'BACKEND_FAILED', 'onnxruntime failed while it ran the model');
    } finally {
      this.#spent += performance.now() - start;
    }
  }

  /** Milliseconds spent in runs since the last call. */
  takeTime(): number {
    const spent = this.#spent;
    this.#spent = 0;
    return spent;
  }
}

const HINTS = {
  MODEL_INVALID: 'The file is damaged or holds what onnxruntime cannot run; export or download the model again.',
  BACKEND_FAILED: 'The graphs of the model contradict each other or the requested size; try the native size.',
  OUT_OF_MEMORY: 'Ask for a smaller image, or use a machine with more memory.',
};

function runtimeError(error: unknown, code: 'MODEL_INVALID' | 'BACKEND_FAILED', what: string): T2IError {
  const reason = error instanceof Error ? error.message : String(error);
  const actual = /bad_alloc|failed to allocate memory|out of memory/i.test(reason) ? 'OUT_OF_MEMORY' : code;
  return new T2IError(actual, `${what}: ${reason.trim()}`, { hint: HINTS[actual] });
}

import { vi } from 'vitest';
import { KernelKeeper } from '../../../../src/backends/tensorrt/kernel-keeper.js';
import type {
  NativeImage,
  NativeJob,
  NativeResult,
  NativeSession,
  NativeStep,
} from '../../../../src/backends/tensorrt/native.js';
import type { NoiseDrawer } from '../../../../src/backends/tensorrt/noise-thread.js';
import type { SessionFacts } from '../../../../src/backends/tensorrt/session.js';
import { drawNoise } from '../../../../src/backends/tensorrt/shared-noise.js';

const HASH = 'a'.repeat(64);
export const FACTS: SessionFacts = {
  runtime: 'tensorrt 10.15.1',
  engines: { textEncoder: HASH, unet: HASH, vaeDecoder: HASH },
  precisions: { textEncoder: 'fp16', unet: 'fp16', vaeDecoder: 'bf16' },
  warnings: [],
  strict: false,
};
export const RESULT: NativeResult = {
  images: [{ rgb: new Uint8Array(3), width: 1, height: 1 }],
  timings: { textEncoder: 1, unet: 2, vaeDecoder: 3, total: 7 },
  warnings: [],
};

interface Call {
  readonly job: NativeJob;
  readonly signal: AbortSignal;
  readonly onEvents: ((steps: readonly (NativeStep | NativeImage)[]) => void) | null;
  readonly resolve: (result: NativeResult) => void;
  readonly reject: (error: unknown) => void;
}

/** A native session whose calls wait to be answered by the test. */
export class ScriptedNative implements NativeSession {
  readonly calls: Call[] = [];
  closes = 0;
  /** One image at a time, unless a test says otherwise. */
  largestBatch = 1;

  generate(
    job: NativeJob,
    signal: AbortSignal,
    onEvents: ((steps: readonly (NativeStep | NativeImage)[]) => void) | null,
  ) {
    return new Promise<NativeResult>((resolve, reject) => this.calls.push({ job, signal, onEvents, resolve, reject }));
  }

  get last(): Call {
    return this.calls.at(-1) as Call;
  }

  /** The call of a job, once its noise is made and its turn has come. @param seen calls before it */
  async next(seen = this.calls.length): Promise<Call> {
    await vi.waitUntil(() => this.calls.length > seen, { interval: 1 });
    return this.last;
  }

  async runtimeCaches() {
    return NO_KERNELS;
  }

  async close() {
    this.closes++;
  }
}

const NO_KERNELS = { textEncoder: null, unet: null, vaeDecoder: null };
export const keeperOf = (native: NativeSession) => {
  const files = { textEncoder: '/gone/a', unet: '/gone/b', vaeDecoder: '/gone/c' };
  return new KernelKeeper(native, files, FACTS.engines, NO_KERNELS);
};

export const nativeError = (code: string, message = 'it broke', hint?: string) =>
  Object.assign(new Error(message), { code, ...(hint && { hint }) });

/** Draws all noise at once, on the thread of the test. */
export const drawnHere = (): NoiseDrawer => ({ draw: drawNoise, close: () => {} });

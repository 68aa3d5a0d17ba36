import type { Plan } from '../diffusion/plan.js';
import type { ModelDescription } from '../model/description.js';

/** Why a backend can or cannot run here. */
export type Probe =
  | { readonly available: true; readonly detail: string }
  | { readonly available: false; readonly reason: string; readonly hint: string };

/** One picture of a job. Its noise depends on its seed alone (`diffusion/noise.ts`). */
export interface ImageJob {
  readonly seed: number;
  /** Unit normal noise: the first latents, then one block for each plan row whose k6 is not 0; each block channels * height * width long. */
  readonly noise: Float32Array;
}

/** A request, flattened: what crosses a process or language boundary. */
export interface Job {
  /** Token ids of the prompt, padded to the model's context length. */
  readonly promptIds: Int32Array;
  /** Token ids of the negative prompt, or null where guidance is off (scale <= 1): then one forward at batch 1 is a step. */
  readonly negativeIds: Int32Array | null;
  readonly guidanceScale: number;
  readonly plan: Plan;
  /** Latent size in latent pixels. */
  readonly latentHeight: number;
  readonly latentWidth: number;
  readonly images: readonly ImageJob[];
  /** Decode the current estimate of the clean picture every so many steps; 0 for no previews. */
  readonly previewEvery: number;
}

/** 8-bit RGB, row-major, three bytes a pixel. */
export interface Raster {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface StepEvent {
  /** Index into `job.images`. */
  readonly image: number;
  /** Steps done for this picture, 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  readonly preview?: Raster;
}

/** Milliseconds, for the whole job. */
export interface Timings {
  /** Text encoder, every forward of it. */
  readonly textEncoder: number;
  readonly unet: number;
  readonly vaeDecoder: number;
  /** From the start of the job in the session to its last pixel, the three above included. */
  readonly total: number;
}

export interface JobResult {
  readonly images: readonly Raster[];
  readonly timings: Timings;
}

export interface GenerateControl {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((event: StepEvent) => void) | undefined;
}

/** An opened model. Jobs queue in order; `close` is idempotent, refuses new jobs and frees the runtime. */
export interface Session {
  /** @throws T2IError BACKEND_FAILED, BACKEND_CRASHED, OUT_OF_MEMORY, CLOSED; the signal's reason when aborted (within one step). */
  generate(job: Job, control?: GenerateControl): Promise<JobResult>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Threads the runtime may use; the runtime's own default when absent. */
  readonly threads?: number | undefined;
}

export interface Backend {
  readonly name: string;
  /** Package and version of the runtime, for receipts, for example `onnxruntime-node 1.30.0`. */
  runtimeVersion(): string;
  probe(): Promise<Probe>;
  /** @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, BACKEND_CRASHED, OUT_OF_MEMORY */
  open(model: ModelDescription, options?: OpenOptions): Promise<Session>;
}

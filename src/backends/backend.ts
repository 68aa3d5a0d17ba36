import type { Plan } from '../diffusion/plan.js';
import type { ModelDescription, ModelWeights, NetworkName } from '../model/description.js';
import type { LoadOptions } from '../options.js';

export type { NetworkName } from '../model/description.js';
export type { EngineProgress, LoadOptions, LoadProgress } from '../options.js';

/** Why a backend can or cannot run here. */
export type Probe =
  | { readonly available: true; readonly detail: string }
  | { readonly available: false; readonly reason: string; readonly hint: string };

/** Classifier-free guidance, away from a negative prompt. */
export interface Guidance {
  /** Above 1. */
  readonly scale: number;
  /** Token ids of the negative prompt, padded to the model's context length. */
  readonly negativeIds: Int32Array;
}

/** A request, flattened: what waits for its turn and crosses a process boundary. Small: the noise is drawn when the turn comes. */
export interface Job {
  /** Token ids of the prompt, padded to the model's context length. */
  readonly promptIds: Int32Array;
  /** Null where it is off: then a step runs the network on the prompt alone. Whoever makes the job decides that. */
  readonly guidance: Guidance | null;
  /** For models that take it (`guidanceWidth`), one row of their `timestep_cond`: then `guidance` is null. Null for others. */
  readonly guidanceEmbedding: Float32Array | null;
  readonly plan: Plan;
  /** Latent size in latent pixels. */
  readonly latentHeight: number;
  readonly latentWidth: number;
  /** One image for each, in this order; its noise depends on its seed alone (`diffusion/noise.ts`). */
  readonly seeds: readonly number[];
  /** Decode the current estimate of the clean image every so many steps; 0 for no previews. */
  readonly previewEvery: number;
}

/** 8-bit RGB, row-major, three bytes a pixel. */
export interface Raster {
  readonly rgb: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

export interface StepEvent {
  /** Index into `job.seeds`. */
  readonly image: number;
  /** Steps done for this image, 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  readonly preview?: Raster;
}

/** An image that is done, told before the others of its job are. */
export interface ImageEvent {
  /** Index into `job.seeds`. */
  readonly image: number;
  readonly raster: Raster;
  /** As in {@link JobResult}. */
  readonly noiseSha256: string;
}

/** Milliseconds, for the whole job, and for those that ran with it. */
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
  /** SHA-256 in hex of the noise of each image: of the blocks that the plan reads, one after the other. */
  readonly noiseSha256: readonly string[];
  readonly timings: Timings;
  /** Sentences for the user about what ran otherwise than it was meant to, for example without graph capture. */
  readonly warnings?: readonly string[];
}

export interface GenerateControl {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((event: StepEvent) => void) | undefined;
  /** Called once for each image, after its last step; the result has them all again. */
  readonly onImage?: ((event: ImageEvent) => void) | undefined;
}

/** An opened model. Jobs queue in order, but for those that run with an earlier one; `close` is idempotent, refuses new jobs and frees the runtime. */
export interface Session {
  /** Name and version of the runtime that the model runs on, for receipts, for example `onnxruntime-node 1.30.0`. */
  readonly runtime: string;
  /** SHA-256 in hex of each network's serialized engine, as `t2i engines inspect` prints it; absent where the runtime has none. */
  readonly engines?: Readonly<Record<NetworkName, string>>;
  /** What each network's engine computes in, for example `bf16`; as `engines`. */
  readonly precisions?: Readonly<Record<NetworkName, string>>;
  /**
   * Steps of one image are reported in order; those of several images may interleave.
   *
   * @throws T2IError BACKEND_FAILED, BACKEND_CRASHED, OUT_OF_MEMORY, DEVICE_LOST, CLOSED; the signal's reason when aborted
   *   (within one step); what `onStep` or `onImage` throws
   */
  generate(job: Job, control?: GenerateControl): Promise<JobResult>;
  close(): Promise<void>;
}

export interface Backend {
  readonly name: string;
  /** `auto` never takes it. */
  readonly onlyByName?: true;
  /** Which of a model's files it runs where there is a choice, see `describeModel`; graphs when absent. */
  readonly weights?: ModelWeights;
  /** Whether it can run here, with those options; throws nothing but the signal's reason when aborted. */
  probe(options?: LoadOptions): Promise<Probe>;
  /**
   * @param options those of the whole load; the backend reads what concerns it
   * @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, BACKEND_FAILED, BACKEND_CRASHED, OUT_OF_MEMORY, ENGINE_INVALID, ENGINE_BUILD_FAILED,
   *   ENGINE_INACCURATE, DEVICE_LOST; the signal's reason when aborted
   */
  open(model: ModelDescription, options?: LoadOptions): Promise<Session>;
}

/** Numbers that go into a network or come out of it, row-major, whatever element type the graph declares. */
export interface NetworkTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Single networks of a model, run once by a backend that others are measured against. */
export interface NetworkReference {
  /** Name and version of its runtime, for example `onnxruntime-node 1.30.0`; can be asked once a network ran. */
  readonly runtime: string;
  /**
   * @param inputs every input of the graph by its name; integers are rounded, ties to even
   * @returns every output that the model's description names, by its name in the graph
   * @throws T2IError MODEL_INVALID, BACKEND_UNAVAILABLE, BACKEND_FAILED, BACKEND_CRASHED, OUT_OF_MEMORY; the signal's reason when
   *   aborted
   */
  run(
    model: ModelDescription,
    network: NetworkName,
    inputs: Readonly<Record<string, NetworkTensor>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, NetworkTensor>>>;
}

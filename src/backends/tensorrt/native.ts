/** What the addon exports (native/node/addon.cc), as types. Errors it throws carry `code` and `hint` as T2IError does. */

/** A device that runs engines. */
export interface NativeDevice {
  readonly index: number;
  readonly name: string;
  /** For example `8.9`. */
  readonly computeCapability: string;
  readonly memoryBytes: number;
}

export interface NativeDevices {
  /** `cuda`; `sim` in the tests' build; `none` where no CUDA compiler was there to build it. */
  readonly kind: 'cuda' | 'sim' | 'none';
  readonly available: boolean;
  readonly reason: string;
  readonly hint: string;
  /** For example `13.1`, or null where unknown. */
  readonly driver: string | null;
  readonly runtime: string | null;
  readonly devices: readonly NativeDevice[];
}

/** One TensorRT that was found. */
export interface NativeLibrary {
  readonly kind: 'full' | 'lean' | 'rtx';
  readonly path: string;
  /** For example `10.15.1`. */
  readonly version: string;
  readonly parserPath: string | null;
  readonly canBuild: boolean;
  /** Why it cannot be used, and what helps; null where it can. */
  readonly problem: string | null;
  readonly hint: string | null;
  readonly notes: readonly string[];
}

export interface NativeSearch {
  /** Nothing else is searched where it is given. */
  readonly only?: string | undefined;
  /** Searched besides the loader's path and the usual folders. */
  readonly more?: readonly string[] | undefined;
}

/** What the native pipeline must know of a model; see ModelFacts in native/base/job.h. */
export interface NativeModel {
  readonly latentChannels: number;
  readonly vaeFactor: number;
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  readonly contextLength: number;
  /** Null where the UNet takes no `timestepCond`. */
  readonly guidanceWidth: number | null;
  readonly textEncoder: { readonly ids: string; readonly attentionMask: string | null; readonly states: string };
  readonly unet: {
    readonly sample: string;
    readonly timestep: string;
    readonly states: string;
    readonly timestepCond: string | null;
    readonly output: string;
  };
  readonly vaeDecoder: { readonly latents: string; readonly image: string };
}

export interface NativeSessionOptions {
  readonly device: number;
  /** Path of the runtime library. */
  readonly library: string;
  /**
   * Serialized engines whose hashes were checked; read in place during `open`, so they must not change and must lie in JavaScript's
   * own memory.
   */
  readonly engines: { readonly textEncoder: Uint8Array; readonly unet: Uint8Array; readonly vaeDecoder: Uint8Array };
  /** SHA-256 in hex of each: sessions of this process share the weights of engines that are the same on a device. */
  readonly engineHashes: Readonly<Record<'textEncoder' | 'unet' | 'vaeDecoder', string>>;
  /** What an earlier session gave, its hashes checked; null for none. One that does not fit is left aside. */
  readonly runtimeCaches: NativeRuntimeCaches;
  readonly model: NativeModel;
  /** Replay a captured step; false queues every step. */
  readonly useGraph: boolean;
}

/** Images that are drawn together: those of one job of backend.ts, or of several that are alike. */
export interface NativeJob {
  /** Null where guidance is off. */
  readonly guidanceScale: number | null;
  readonly guidanceEmbedding: Float32Array | null;
  readonly plan: {
    readonly steps: number;
    readonly timesteps: Float32Array;
    readonly rows: Float32Array;
    readonly clip: number | null;
    readonly initScale: number;
  };
  readonly latentHeight: number;
  readonly latentWidth: number;
  readonly images: readonly {
    readonly promptIds: Int32Array;
    /** Null where guidance is off. */
    readonly negativeIds: Int32Array | null;
    readonly noise: Float32Array;
    /** Blocks of the noise that are whole where another thread draws it meanwhile; both lie in shared memory then. */
    readonly drawn?: Int32Array;
  }[];
  readonly previewEvery: number;
}

export interface NativeRaster {
  readonly rgb: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

export interface NativeStep {
  readonly image: number;
  readonly step: number;
  readonly steps: number;
  readonly preview?: NativeRaster;
}

/** An image that is done, told before the others of its job may be. */
export interface NativeImage {
  readonly image: number;
  readonly raster: NativeRaster;
}

export interface NativeResult {
  readonly images: readonly NativeRaster[];
  readonly timings: {
    readonly textEncoder: number;
    readonly unet: number;
    readonly vaeDecoder: number;
    readonly total: number;
  };
  readonly warnings: readonly string[];
}

/** What TensorRT-RTX compiled for the shapes that ran, by network; null for TensorRT, which compiles nothing then. */
export interface NativeRuntimeCaches {
  readonly textEncoder: Uint8Array | null;
  readonly unet: Uint8Array | null;
  readonly vaeDecoder: Uint8Array | null;
}

/** One model on one native thread; jobs run in the order of their calls. */
export interface NativeSession {
  /** Most rows of one forward of the UNet; with guidance an image takes two. */
  readonly largestBatch: number;
  /**
   * @param signal aborting sets one atomic; the promise then rejects with code ABORTED within a step
   * @param onEvents several at once when JavaScript was busy; null where nobody watches
   */
  generate(
    job: NativeJob,
    signal: AbortSignal | null,
    onEvents: ((events: readonly (NativeStep | NativeImage)[]) => void) | null,
  ): Promise<NativeResult>;
  /** As they are after the jobs before the call. */
  runtimeCaches(): Promise<NativeRuntimeCaches>;
  /** Refuses new jobs, ends those under way with CLOSED, waits and frees. May be called twice. */
  close(): Promise<void>;
}

export interface NativeBuildOptions {
  readonly library: string;
  /** Null where nothing but the file is needed, as for ahead-of-time builds. */
  readonly device: number | null;
  readonly onnx: string;
  readonly profiles: readonly {
    readonly input: string;
    readonly min: readonly number[];
    readonly opt: readonly number[];
    readonly max: readonly number[];
  }[];
  /** For example 75 and 89; TensorRT-RTX only. Empty for the device at hand. */
  readonly computeCapabilities: readonly number[];
  readonly timingCache: Uint8Array | null;
  /** 0 for TensorRT's own choice. */
  readonly workspaceBytes: number;
}

export interface NativeBuildProgress {
  /** As TensorRT names it; phases lie within steps of others. */
  readonly phase: string;
  readonly step: number;
  readonly steps: number;
  /** Of the whole build, 0 to 1; never falls. */
  readonly fraction: number;
}

export interface NativeBuildResult {
  readonly serialized: Uint8Array;
  readonly timingCache: Uint8Array | null;
  readonly log: readonly string[];
}

/** A tensor that crosses to a single run of one engine and back. */
export interface NativeTensor {
  readonly type: 'float32' | 'float16' | 'bfloat16' | 'int32' | 'int64';
  readonly dims: readonly number[];
  /** Little-endian elements. */
  readonly data: Uint8Array;
}

export interface NativeAddon {
  /** Of the package that the addon was built for. */
  readonly version: string;
  devices(): NativeDevices;
  /** Every TensorRT, the best first. Opens the files, creates nothing; never throws. */
  libraries(search: NativeSearch): readonly NativeLibrary[];
  readonly Session: { open(options: NativeSessionOptions): Promise<NativeSession> };
  buildEngine(
    options: NativeBuildOptions,
    signal: AbortSignal | null,
    onProgress: ((progress: NativeBuildProgress) => void) | null,
  ): Promise<NativeBuildResult>;
  /** One forward of one engine, for the accuracy check. */
  runEngine(
    options: { readonly device: number; readonly library: string; readonly serialized: Uint8Array },
    inputs: Readonly<Record<string, NativeTensor>>,
  ): Promise<Readonly<Record<string, NativeTensor>>>;
  /**
   * One plan row on arrays of equal length by the host function of native/base/step.h; `x` and `x0` are overwritten. `out` is the
   * network's output before guidance: the conditional one and, with guidance, the unconditional one.
   */
  stepHost(step: NativeStepArrays): void;
  /** The same by the device's kernel. */
  stepDevice(step: NativeStepArrays, device: number): void;
}

export interface NativeStepArrays {
  readonly row: Float32Array;
  readonly x: Float32Array;
  readonly x0: Float32Array;
  readonly conditional: Float32Array;
  /** Null without guidance. */
  readonly unconditional: Float32Array | null;
  readonly guidanceScale: number;
  readonly noise: Float32Array;
  readonly clip: number | null;
}

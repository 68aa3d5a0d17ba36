import type { NativeBuildOptions, NativeBuildResult, NativeTensor } from '../native.js';

/** What the child's `build` takes. */
export interface BuildRequest {
  /** File of the addon. */
  readonly addon: string;
  readonly options: NativeBuildOptions;
  /** Where the plan goes: it may be larger than a message should be. */
  readonly output: string;
}

export type BuildReply = Omit<NativeBuildResult, 'plan'>;

/** What the child's `run` takes; it gives the outputs by name. */
export interface RunRequest {
  readonly addon: string;
  readonly device: number;
  /** Path of the runtime library. */
  readonly library: string;
  /** Path of the engine file. */
  readonly engine: string;
  readonly inputs: Readonly<Record<string, NativeTensor>>;
}

export type RunReply = Readonly<Record<string, NativeTensor>>;

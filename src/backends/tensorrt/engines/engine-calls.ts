import type { CallContext } from '../../process/service.js';
import type { NativeBuildOptions, NativeBuildProgress, NativeBuildResult, NativeTensor } from '../native.js';

/** What the child offers that builds engines and runs them for the first time. */
export interface EngineService {
  build(request: BuildRequest, context: CallContext<NativeBuildProgress>): Promise<BuildReply>;
  /** @returns the outputs by name */
  run(request: RunRequest): Promise<RunReply>;
}

export interface BuildRequest {
  /** File of the addon. */
  readonly addon: string;
  readonly options: NativeBuildOptions;
  /** Where the serialized engine goes: it may be larger than a message should be. */
  readonly output: string;
}

export type BuildReply = Omit<NativeBuildResult, 'serialized'>;

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

import type { NativeBuildOptions, NativeBuildResult } from '../native.js';

/** What the child's `build` takes. */
export interface BuildRequest {
  /** File of the addon. */
  readonly addon: string;
  readonly options: NativeBuildOptions;
  /** Where the plan goes: it may be larger than a message should be. */
  readonly output: string;
}

export type BuildReply = Omit<NativeBuildResult, 'plan'>;

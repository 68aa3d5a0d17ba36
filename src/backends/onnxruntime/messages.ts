import type { ErrorCode } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { Job, JobResult, StepEvent } from '../backend.js';

/** What the caller's process tells the child. At most one `load` or `run` is under way at a time. */
export type Request =
  | { readonly type: 'load'; readonly model: ModelDescription; readonly threads: number | undefined }
  /** `watched`: whether anybody wants the steps; each one told wakes the caller's process. */
  | { readonly type: 'run'; readonly job: Job; readonly watched: boolean }
  | { readonly type: 'abort' };

/** What the child answers: `ready` or `unavailable` once, then one `done`, `aborted` or `failed` for every `load` and `run`. */
export type Reply =
  | { readonly type: 'ready' }
  | { readonly type: 'unavailable'; readonly reason: string }
  /** Sent before each file is opened, so that a crash can be laid at its door. */
  | { readonly type: 'opening'; readonly path: string }
  | { readonly type: 'step'; readonly event: StepEvent }
  | { readonly type: 'done'; readonly result: JobResult | null }
  | { readonly type: 'aborted' }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined };

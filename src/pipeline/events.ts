import type { StepEvent, Timings } from '../backends/backend.js';
import type { FailedTry } from '../backends/select.js';
import type { GeneratedImage } from '../image/generated-image.js';
import type { Warning } from './warnings.js';

export type { FailedTry } from '../backends/select.js';

/** A step that is done, of one of the request's images. */
export interface StepProgress extends StepEvent {
  readonly seed: number;
}

/** Which backend ran, and how it came to be chosen. */
export interface BackendReport {
  readonly name: string;
  /** Package and version of its runtime. */
  readonly runtime: string;
  /** SHA-256 in hex of each network's serialized engine, as `t2i engines inspect` prints it, where the backend runs engines. */
  readonly engines?: Readonly<Record<string, string>>;
  /** What each network's engine computes in, for example `bf16`; as `engines`. */
  readonly precisions?: Readonly<Record<string, string>>;
  /** What `auto` tried before it, with the reason why each cannot run; empty for a backend that was named. */
  readonly tried: readonly FailedTry[];
}

export interface GenerateResult {
  /** One for each seed, in their order; never empty. */
  readonly images: readonly [GeneratedImage, ...GeneratedImage[]];
  readonly warnings: readonly Warning[];
  readonly backend: BackendReport;
  readonly timings: Timings;
}

/** What `Pipeline.stream` yields: steps, each image as it is done, then the rest of the result. */
export type StreamEvent =
  | ({ readonly type: 'step' } & StepProgress)
  | { readonly type: 'image'; readonly index: number; readonly image: GeneratedImage }
  | ({ readonly type: 'done' } & Omit<GenerateResult, 'images'>);

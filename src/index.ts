import './unbundled.js';

export type { Probe, Raster, StepEvent, Timings } from './backends/backend.js';
export type { SchedulerConfig } from './diffusion/schedule.js';
export type { UnsupportedSetting } from './diffusion/unsupported.js';
export { ERROR_CODES, type ErrorCode, type Issue, T2IError, type T2IErrorOptions } from './errors.js';
export type { PixelDifference } from './image/compare.js';
export { type EncodeOptions, encodeImage, type Pixels } from './image/encode.js';
export { IMAGE_FORMATS, type ImageFormat } from './image/formats.js';
export { GeneratedImage, type SaveOptions } from './image/generated-image.js';
export { readReceipt } from './image/read-receipt.js';
export type { Receipt } from './image/receipt.js';
export type * from './model/description.js';
export type { Manifest, Preset } from './model/manifest.js';
export type { FileStamp } from './model/stamps.js';
export type {
  BackendName,
  DownloadProgress,
  EngineProgress,
  LoadOptions,
  LoadProgress,
  RequestOptions,
  SamplerName,
} from './options.js';
export type { BackendReport, FailedTry, GenerateResult, StepProgress, StreamEvent } from './pipeline/events.js';
export { optionsOfReceipt } from './pipeline/receipts.js';
export type { Warning } from './pipeline/warnings.js';
export { type GenerateOptions, Pipeline } from './pipeline.js';
export type { AddedToken } from './text/added-tokens.js';
export type { ClipTokenizerConfig } from './text/clip-tokenizer.js';
export { TOLERANCE, type Verification, type VerifyOptions, verifyImage } from './verify.js';

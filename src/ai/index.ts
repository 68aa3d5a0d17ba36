// For users whose TypeScript has no `lib` with AsyncDisposable.
/// <reference lib="esnext.disposable" preserve="true" />
export type { T2IImageOptions } from './call-options.js';
export type { LocalLoadOptions } from './pipelines.js';
export { createT2I, type T2IProvider, type T2IProviderOptions, t2i } from './provider.js';

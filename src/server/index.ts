import '../unbundled.js';

export { createServer, type Server } from './create-server.js';
export type { LimitOptions } from './http/limits.js';
export type { BucketOptions } from './images/bucket.js';
export type { FolderOptions } from './images/folder.js';
export type { ImageStoreOptions } from './images/image-store.js';
export { type Listening, type ListenOptions, listen } from './listen.js';
export type { ModelSource, ServerOptions } from './options.js';
export type { RedisOptions } from './redis/address.js';
export { createWorker, type Worker, type WorkerOptions } from './worker.js';

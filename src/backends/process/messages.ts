import type { Failure } from './failure.js';

/** What the caller's process tells the child. At most one call is under way at a time. */
export type Request =
  /** `watched`: whether anybody wants the events; each one told wakes the caller's process. */
  | { readonly type: 'call'; readonly method: string; readonly value: unknown; readonly watched: boolean }
  | { readonly type: 'abort' };

/** What the child answers: `ready` or `unavailable` once, then one `done`, `aborted` or `failed` for every call. */
export type Reply =
  | { readonly type: 'ready' }
  | { readonly type: 'unavailable'; readonly reason: string }
  /** Sent before each file is opened, so that a crash can be laid at its door. */
  | { readonly type: 'opening'; readonly path: string }
  | { readonly type: 'event'; readonly event: unknown }
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'aborted' }
  | ({ readonly type: 'failed' } & Failure);

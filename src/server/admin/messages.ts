/** What the admin thread is started with. */
export interface AdminThreadData {
  readonly host: string;
  readonly port: number;
  /** Milliseconds that a client may take to send a whole request. */
  readonly slowest: number;
  /** See {@link Pulse}. */
  readonly pulse: SharedArrayBuffer;
}

/** A request without its body, which none of the admin's routes reads. */
export interface Question {
  readonly id: number;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly remoteAddress: string | undefined;
}

export interface Answer {
  readonly id: number;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

/** From the thread; `listening` or `failed` comes first, and once. */
export type FromThread = { readonly listening: string } | { readonly failed: string } | { readonly question: Question };

/** To the thread; it ends after `close`. */
export type ToThread = { readonly answer: Answer } | { readonly close: true };

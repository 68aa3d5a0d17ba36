/** What a call in a child may use. */
export interface CallContext<Event = never> {
  /** Aborts when the caller gives the call up; ending with its reason is no error. */
  readonly signal: AbortSignal;
  /** Tells the caller of an event; null where nobody watches. */
  readonly emit: ((event: Event) => void) | null;
  /** Names a file before it is opened; resolves when the caller's process has been told. */
  readonly opening: (path: string) => Promise<void>;
}

/** A method that a child offers; its value, result and events are cloned on their way. */
export type Method = (value: never, context: never) => Promise<unknown>;

/** The methods of a child, by name: an interface that the child implements and its caller calls. */
export type Service<S> = { readonly [Name in keyof S]: Method };

export type ValueOf<M> = M extends (value: infer Value, context: never) => unknown ? Value : never;
export type ResultOf<M> = M extends (value: never, context: never) => Promise<infer Result> ? Result : never;
export type EventOf<M> = M extends (value: never, context: CallContext<infer Event>) => unknown ? Event : never;

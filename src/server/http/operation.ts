import type { Context } from 'hono';
import type { z } from 'zod';
import type { Refusal } from './refusal.js';

/** What is known of a request before its route is. */
export interface RequestVariables {
  readonly requestId: string;
  /** Who asks, for fairness and logs: a part of the hash of the key, else the address. */
  readonly caller: string;
}

export type RequestContext = Context<{ Variables: RequestVariables }>;

/** One route: what the router, the documentation and the tests of the routes are made from. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As the router takes it, for example `/v1/models/:id`. */
  readonly path: string;
  readonly summary: string;
  /** Values that a part of the path can have, where they are known. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
  /** Of a JSON body. */
  readonly body?: z.ZodType;
  readonly answer: {
    readonly status: number;
    /** A schema of JSON, or media types of what else is sent. */
    readonly content: z.ZodType | readonly string[];
  };
  /** Refuses a caller whose request would not be taken now, before its body is read: under overload that is most of the work. */
  admit?(caller: string): void;
  /** Answered without a key: that the process lives. */
  readonly open?: true;
  handle(context: RequestContext): Response | Promise<Response>;
}

/** A family of routes that clients of one kind call. */
export interface Dialect {
  readonly name: string;
  /** Whether errors of this path are written in its shape; asked in order. */
  owns(path: string): boolean;
  errorBody(refusal: Refusal, requestId: string): unknown;
  /** Of what `errorBody` returns. */
  readonly errorSchema: z.ZodType;
  readonly operations: readonly Operation[];
}

import { z } from 'zod';
import { IMAGE_FORMATS } from '../../image/formats.js';
import { MAX_IMAGES, MAX_PROMPT_LENGTH, type Request } from '../../options.js';
import type { Warning } from '../../pipeline/warnings.js';
import type { Refusal } from '../http/refusal.js';

/** What orders and events look like; those of another version are refused. */
const VERSION = 1;

const text = z.string().max(MAX_PROMPT_LENGTH);
const name = z.string().min(1).max(200);
const count = z.int().min(0);

const REQUEST = z.strictObject({
  prompt: text,
  negativePrompt: text,
  seeds: z.array(z.int().min(0)).min(1).max(MAX_IMAGES),
  steps: z.int().min(1).max(1000),
  guidanceScale: z.number().min(0).max(1000),
  sampler: name,
  replacement: text.optional(),
  sigmas: z.enum(['default', 'karras']).nullable(),
  eta: z.number().min(0).max(1).nullable(),
  width: z.int().min(1).max(65_535),
  height: z.int().min(1).max(65_535),
  previewEvery: count.max(1000),
});

/** What another server needs to answer for a job. */
const JOB = z.strictObject({
  caller: name,
  /** Seconds since 1970. */
  createdAt: count,
  file: z.strictObject({ format: z.enum(IMAGE_FORMATS), compression: z.int().min(0).max(100).optional() }),
  warnings: z.array(z.strictObject({ code: name, message: text })).max(20),
});

const ORDER = z.strictObject({
  v: z.literal(VERSION),
  model: name,
  key: name,
  api: name,
  request: REQUEST,
  /** Absent where the server that took it waits for it, and nobody can ask after it. */
  job: JOB.optional(),
});

const END = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('completed') }),
  z.strictObject({ kind: z.literal('cancelled') }),
  z.strictObject({
    kind: z.literal('failed'),
    error: z.strictObject({
      status: z.int().min(400).max(599),
      code: z.string().regex(/^[a-z_]{1,64}$/),
      message: text,
      hint: text.optional(),
      retryAfter: count.optional(),
    }),
  }),
]);

const EVENT = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('start') }),
  z.strictObject({ type: z.literal('back') }),
  z.strictObject({ type: z.literal('step'), image: count, step: count, steps: count, preview: z.string().optional() }),
  z.strictObject({ type: z.literal('image'), image: count }),
  z.strictObject({ type: z.literal('end'), end: END }),
]);

export type SharedJobFacts = Omit<z.infer<typeof JOB>, 'warnings'> & { readonly warnings: readonly Warning[] };
export type SharedOrder = Omit<z.infer<typeof ORDER>, 'v' | 'request' | 'job'> & {
  readonly request: Request;
  readonly job?: SharedJobFacts | undefined;
};
export type OrderEnd = z.infer<typeof END>;
export type OrderEvent = z.infer<typeof EVENT>;

/** How an order ends that was refused, or whose drawing failed. */
export function failed({ status, code, message, hint, retryAfter }: Refusal): OrderEnd {
  return {
    kind: 'failed',
    error: {
      status,
      code,
      message,
      ...(hint !== undefined && { hint }),
      ...(retryAfter !== undefined && { retryAfter }),
    },
  };
}

export function writeOrder(order: SharedOrder): string {
  return JSON.stringify({ v: VERSION, ...order });
}

/** Why something in Redis is not taken for what it should be: written by somebody else, or by another version. */
export class ForeignContent extends Error {
  override readonly name = 'ForeignContent';
}

/** @throws ForeignContent */
export function readOrder(json: string): SharedOrder {
  const { v: _, ...order } = read(ORDER, json, 'order');
  return order as SharedOrder;
}

/** @throws ForeignContent */
export function readEnd(json: string): OrderEnd {
  return read(END, json, 'end of an order');
}

/**
 * @param fields name and value by turns, as a stream has them; pixels of a preview as latin1
 * @throws ForeignContent
 */
export function readEvent(fields: readonly string[]): OrderEvent {
  const entries = Object.fromEntries(
    fields.flatMap((field, at) => (at % 2 === 0 ? [[field, fieldOf(field, fields[at + 1] as string)]] : [])),
  );
  return check(EVENT, entries, 'event');
}

const NUMBERS: ReadonlySet<string> = new Set(['image', 'step', 'steps']);

function fieldOf(field: string, value: string): unknown {
  if (NUMBERS.has(field)) return /^\d{1,9}$/.test(value) ? Number(value) : value;
  return field === 'end' ? parse(value, 'end of an order') : value;
}

function read<T extends z.ZodType>(schema: T, json: string, what: string): z.infer<T> {
  return check(schema, parse(json, what), what);
}

function parse(json: string, what: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new ForeignContent(`The ${what} in Redis is not valid JSON`, { cause });
  }
}

function check<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const places = result.error.issues.map(({ path, code }) => `${path.join('.') || 'itself'} (${code})`);
  throw new ForeignContent(`The ${what} in Redis is not one of this version: ${places.slice(0, 5).join(', ')}`);
}

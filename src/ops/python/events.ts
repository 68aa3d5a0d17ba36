import { z } from 'zod';
import { ERROR_CODES, type ErrorCode, type Issue } from '../../errors.js';

/** How far a stage is. */
export interface StageProgress {
  /** What it works on, for example `captions`. */
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  /** Units a second. */
  readonly rate: number;
  /** Seconds; null where nothing can be said yet. */
  readonly left: number | null;
  /** Numbers by name, such as the loss; null where one is NaN. */
  readonly figures: Readonly<Record<string, number | null>>;
}

/** What a stage of the trainer prints, an event a line (trainer/t2i_trainer/stage.py). */
export type StageEvent =
  | ({ readonly event: 'progress' } & StageProgress)
  | { readonly event: 'warning'; readonly message: string }
  | { readonly event: 'result'; readonly value: unknown }
  | {
      readonly event: 'error';
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | null;
      readonly issues: readonly Issue[];
    };

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

const EVENT: z.ZodType<StageEvent> = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('progress'),
    what: z.string(),
    done: z.number(),
    total: z.number(),
    unit: z.string(),
    rate: z.number(),
    left: z.number().nullable(),
    figures: z.record(z.string(), z.number().nullable()),
  }),
  z.object({ event: z.literal('warning'), message: z.string() }),
  z.object({ event: z.literal('result'), value: z.unknown() }),
  z.object({
    event: z.literal('error'),
    code: z.enum(CODES),
    message: z.string(),
    hint: z.string().nullable(),
    issues: z.array(z.object({ option: z.string(), expected: z.string(), received: z.string() })),
  }),
]);

/** The event of a line; null for a line that is none, which a library of the trainer printed. */
export function parseEvent(line: string): StageEvent | null {
  try {
    return EVENT.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

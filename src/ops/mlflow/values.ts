import { z } from 'zod';

/** JSON has no name for these: MLflow writes them as texts. */
const WORDS: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: Infinity, '-Infinity': -Infinity };

const finite = z.number();
const word = z.enum(['NaN', 'Infinity', '-Infinity']).transform((text) => WORDS[text] as number);

/** A value of a metric, which may be NaN or infinite. */
export const metricValue = z.union([finite, word]);

/** A whole number; what is 64 bits wide is written as a text. */
export const whole = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d{1,19}$/)
    .transform(Number),
]);

export const metric = z.object({
  key: z.string(),
  value: metricValue,
  /** Milliseconds since 1970. */
  timestamp: whole.default(0),
  step: whole.default(0),
});
export type Metric = z.output<typeof metric>;

/** A text in the filter of a search. Filters know no escapes: one with both kinds of quotes is refused by the server. */
export function quoted(text: string): string {
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}

/** A list of names with values, as an object. */
export const byKey = z
  .array(z.object({ key: z.string(), value: z.string().default('') }))
  .default([])
  .transform((pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])));

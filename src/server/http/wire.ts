import { z } from 'zod';
import type { Issue } from '../../errors.js';
import { describeValue, isRecord, unknownOption } from '../../fields.js';

/**
 * Fields of a JSON body: one declaration is the check, the message and the documentation. A message of zod's is what was expected;
 * null counts as left out, as typed clients send it.
 */
export const wire = {
  integer: (min: number, max: number, expected = `an integer from ${min} to ${max}`) =>
    z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected }),
  number: (min: number, max: number, expected = `a number from ${min} to ${max}`) =>
    z.number({ error: expected }).min(min, { error: expected }).max(max, { error: expected }),
  text: (max: number, expected = `text of at most ${max} characters`) =>
    z.string({ error: expected }).max(max, { error: expected }),
  pattern: (pattern: RegExp, expected: string) => z.string({ error: expected }).regex(pattern, { error: expected }),
  oneOf: <const T extends readonly string[]>(names: T) => z.enum(names, { error: `one of ${names.join(', ')}` }),
  flag: () => z.boolean({ error: 'true or false' }),
  list: <T extends z.ZodType>(element: T, max: number, expected: string) =>
    z.array(element, { error: expected }).max(max, { error: expected }),
  /** Of values that are read later. */
  record: () => z.record(z.string(), z.unknown(), { error: 'an object' }),
};

/** What of a body is valid, and every mistake in the rest. */
export interface ReadBody<T> {
  readonly value: Partial<T>;
  readonly issues: readonly Issue[];
}

/**
 * Checks a body field by field, so that one mistake does not hide another.
 *
 * @param other what fields may be called besides, in suggestions for unknown ones
 */
export function readBody<T extends z.ZodObject>(schema: T, body: unknown): ReadBody<z.infer<T>> {
  if (!isRecord(body)) {
    return { value: {}, issues: [{ option: 'body', expected: 'a JSON object', received: describeValue(body) }] };
  }
  const names = Object.keys(schema.shape);
  const value: Record<string, unknown> = {};
  const issues: Issue[] = [];
  for (const [name, given] of Object.entries(body)) {
    const field = Object.hasOwn(schema.shape, name) ? schema.shape[name] : undefined;
    if (field === undefined) {
      issues.push(unknownOption(name, names));
      continue;
    }
    const result = z.safeParse(field, given);
    if (result.success) value[name] = result.data;
    else issues.push(...issuesOf(name, given, result.error));
  }
  for (const name of names.filter((each) => body[each] === undefined)) {
    const result = z.safeParse(schema.shape[name] as z.ZodType, undefined);
    if (result.success) {
      if (result.data !== undefined) value[name] = result.data;
    } else issues.push(...issuesOf(name, undefined, result.error));
  }
  return { value: value as Partial<z.infer<T>>, issues };
}

/** One issue a place: a number that is too small need not be told that it is also no integer. */
function issuesOf(name: string, given: unknown, error: z.ZodError): Issue[] {
  const places = new Map<string, Issue>();
  for (const { path, message } of error.issues) {
    const option = [name, ...path.map(String)].join('.');
    const found = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], given);
    // JSON has no undefined.
    const received = found === undefined ? 'nothing' : describeValue(found);
    if (!places.has(option)) places.set(option, { option, expected: message, received });
  }
  return [...places.values()];
}

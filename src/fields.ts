import { describeIssues, type Issue, T2IError } from './errors.js';
import { didYouMean } from './suggest.js';

/** What one field of an options object may hold. */
export interface Field {
  readonly expected: string;
  accepts(value: unknown): boolean;
}

export const integer = (min: number, max: number, expected = `an integer from ${min} to ${max}`): Field => ({
  expected,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
});

export const milliseconds = (min: number, max: number): Field =>
  integer(min, max, `milliseconds from ${min} to ${max}`);

export const real = (min: number, max: number, expected: string): Field => ({
  expected,
  accepts: (value) => typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max,
});

export const text = (expected: string, min: number, max: number): Field => ({
  expected,
  accepts: (value) => typeof value === 'string' && value.length >= min && value.length <= max && !value.includes('\0'),
});

export const oneOf = (names: readonly string[]): Field => ({
  expected: names.length === 1 ? `${names[0]}` : `one of ${names.join(', ')}`,
  accepts: (value) => typeof value === 'string' && names.includes(value),
});

/** Every unknown name and every bad value of an options object; a field that is undefined counts as left out. */
export function checkFields(options: unknown, fields: Readonly<Record<string, Field>>): Issue[] {
  if (!isRecord(options)) return [{ option: 'options', expected: 'an object', received: describeValue(options) }];
  const issues: Issue[] = [];
  for (const [name, value] of Object.entries(options)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) {
      issues.push(unknownOption(name, Object.keys(fields)));
    } else if (value !== undefined) {
      issues.push(...fieldIssues(name, value, field));
    }
  }
  return issues;
}

/** What is wrong with a value that may not be left out. */
export function fieldIssues(option: string, value: unknown, field: Field): Issue[] {
  return field.accepts(value) ? [] : [{ option, expected: field.expected, received: describeValue(value) }];
}

/** Each mistake once, though it may break several rules of the same words, or several options may have one name. */
export function distinctIssues(issues: readonly Issue[]): Issue[] {
  const byWords = issues.map(
    (issue) => [JSON.stringify([issue.option, issue.expected, issue.received]), issue] as const,
  );
  return [...new Map(byWords).values()];
}

/** An option that does not exist. */
export function unknownOption(name: string, known: readonly string[]): Issue {
  const problem = `unknown option${didYouMean(name, known)}`;
  return { option: name, expected: `one of ${known.join(', ')}`, received: 'an unknown option', problem };
}

/** @throws T2IError OPTION_INVALID with the issues, where there are any */
export function refuse(issues: readonly Issue[]): void {
  if (issues.length === 0) return;
  throw new T2IError('OPTION_INVALID', describeIssues(issues), { issues });
}

/** Fields that may be undefined become such as may be missing. */
type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A copy without the fields that are undefined, for readers to whom a name that is there is a value that was given. */
export function withoutUndefined<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;
}

/** True for objects that are neither null nor a list. */
export function isRecord<T = Record<string, unknown>>(value: unknown): value is T & Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as an error message shows it: short, quoted where it is text. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}

import { describeIssues, type Issue, T2IError } from './errors.js';

/** What one field of an options object may hold. */
export interface Field {
  readonly expected: string;
  accepts(value: unknown): boolean;
}

export const integer = (min: number, max: number, expected = `an integer from ${min} to ${max}`): Field => ({
  expected,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
});

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
      const expected = `a known option, perhaps ${nearestName(name, Object.keys(fields))}`;
      issues.push({ option: name, expected, received: 'an unknown one' });
    } else if (value !== undefined && !field.accepts(value)) {
      issues.push({ option: name, expected: field.expected, received: describeValue(value) });
    }
  }
  return issues;
}

/** @throws T2IError OPTION_INVALID with the issues, where there are any */
export function refuse(issues: readonly Issue[]): void {
  if (issues.length === 0) return;
  throw new T2IError('OPTION_INVALID', describeIssues(issues), { issues });
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

/** The name that is closest to `name` by edit distance, upper and lower case alike; a name that begins with it comes first. */
export function nearestName(name: string, names: readonly string[]): string {
  const lower = name.toLowerCase().slice(0, 40);
  const score = (candidate: string) =>
    candidate.toLowerCase().startsWith(lower) ? 0 : editDistance(lower, candidate.toLowerCase());
  return names.reduce((best, candidate) => (score(candidate) < score(best) ? candidate : best));
}

/** Levenshtein distance: the fewest insertions, deletions and replacements that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

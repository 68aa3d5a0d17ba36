import type { Issue } from '../errors.js';

/** Reads typed fields of an untrusted JSON object and collects everything that is wrong. Absent and null fields give the default. */
export class FieldReader {
  readonly issues: Issue[] = [];
  readonly #file: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(json: unknown, file: string) {
    this.#file = file;
    const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
    this.#fields = new Map(isObject ? Object.entries(json) : []);
    if (!isObject) this.issues.push({ option: file, expected: 'a JSON object', received: describe(json) });
  }

  /** Class name in `_class_name`, one that is known or, where any of the fields `orWith` is there, any; null when absent. */
  className(known: readonly string[], orWith: readonly string[]): string | null {
    const value = this.#get('_class_name');
    if (value === undefined) return null;
    const isName = typeof value === 'string' && /^\w{1,100}$/.test(value);
    if (isName && (known.includes(value) || orWith.some((field) => this.#get(field) !== undefined))) return value;
    const fields = `${orWith.slice(0, -1).join(', ')} or ${orWith.at(-1)}`;
    this.#wrong('_class_name', `a scheduler of Stable Diffusion, or one whose file has ${fields}`, value);
    return null;
  }

  number(field: string, fallback: number, min: number, max: number): number {
    const value = this.#get(field) ?? fallback;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    this.#wrong(field, `a number from ${min} to ${max}`, value);
    return fallback;
  }

  integer(field: string, fallback: number, min: number, max: number): number {
    const value = this.#get(field) ?? fallback;
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.#wrong(field, `an integer from ${min} to ${max}`, value);
    return fallback;
  }

  boolean(field: string, fallback: boolean): boolean {
    const value = this.#get(field) ?? fallback;
    if (typeof value === 'boolean') return value;
    this.#wrong(field, 'true or false', value);
    return fallback;
  }

  choice<T extends string>(field: string, fallback: T, choices: readonly T[]): T {
    const value = this.#get(field) ?? fallback;
    if (choices.includes(value as T)) return value as T;
    this.#wrong(field, `one of ${choices.join(', ')}`, value);
    return fallback;
  }

  /** A list of exactly `length` numbers, or null when absent. */
  numbers(field: string, length: number, min: number, max: number): readonly number[] | null {
    const value = this.#get(field);
    if (value === undefined) return null;
    const inRange = (item: unknown) => typeof item === 'number' && item >= min && item <= max;
    if (Array.isArray(value) && value.length === length && value.every(inRange)) return value;
    this.#wrong(field, `${length} numbers from ${min} to ${max}`, value);
    return null;
  }

  is(field: string, value: unknown): boolean {
    return this.#get(field) === value;
  }

  /** The value as messages show it, where it is none of `values`; null where it is, or is absent. */
  otherThan(field: string, values: readonly unknown[]): string | null {
    const value = this.#get(field);
    return value === undefined || values.includes(value) ? null : describe(value);
  }

  /** Records an issue unless the field is absent or has one of the `allowed` values. */
  oneOf(field: string, allowed: readonly unknown[], expected: string): void {
    if (this.otherThan(field, allowed) !== null) this.#wrong(field, expected, this.#get(field));
  }

  #get(field: string): unknown {
    return this.#fields.get(field) ?? undefined;
  }

  #wrong(field: string, expected: string, value: unknown): void {
    this.issues.push({ option: `${this.#file}: ${field}`, expected, received: describe(value) });
  }
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  const text = typeof value === 'object' && value !== null ? 'an object' : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

import { z } from 'zod';
import { isServerAddress } from '../../http/server-address.js';
import { isRepoName } from '../../hub/repo-name.js';
import { ADDRESS } from '../mlflow/address.js';
import { NAME } from './name.js';

// The message of each check is what was expected; `readParams` says what came.

/** A number, also as text: YAML 1.1 reads `1e-4` as text, and people quote it for that. */
export function real(min: number, max: number, expected = `a number from ${min} to ${max}`) {
  return z.preprocess(numberOfText, z.number(expected).min(min, expected).max(max, expected));
}

/** A number above 0. */
export function positive(max: number) {
  const expected = `a number above 0, at most ${max}`;
  return z.preprocess(numberOfText, z.number(expected).gt(0, expected).max(max, expected));
}

export function integer(min: number, max: number) {
  const expected = `an integer from ${min} to ${max}`;
  return z.preprocess(numberOfText, z.int(expected).min(min, expected).max(max, expected));
}

export function oneOf<const T extends readonly string[]>(names: T) {
  return z.enum(names, `one of ${names.join(', ')}`);
}

/** A list, also as one text with commas: `"64,128"` and `[64, 128]` are the same. */
export function list<T extends z.ZodType>(item: T, min: number, max: number) {
  const expected = `a list of ${min} to ${max}, or text with commas`;
  return z.preprocess(listOfText, z.array(item, expected).min(min, expected).max(max, expected));
}

/** An integer for every level, or a list of one for each, also as text with commas. */
export function perLevel(min: number, max: number, levels: number) {
  return z.union(
    [integer(min, max), list(integer(min, max), 1, levels)],
    `an integer from ${min} to ${max}, or a list of one for each level`,
  );
}

/** `[height, width]`, also as `"128,128"` or one number for both. */
export function size(min: number, max: number) {
  const expected = 'height and width, for example [128, 128] or "128,128"';
  const both = (value: unknown) => (typeof value === 'number' ? [value, value] : listOfText(value));
  return z.preprocess(both, z.array(integer(min, max), expected).length(2, expected));
}

/** Text without control characters. */
export function line(max: number) {
  const expected = `one line of text, at most ${max} characters`;
  return z
    .string(expected)
    .max(max, expected)
    .regex(/^\P{Cc}+$/u, expected);
}

/** What MLflow registers a model under. */
export const registeredName = line(200).refine(
  (text) => text.trim() !== '' && !/[/:]/.test(text),
  'a name without / and :',
);

/** OWNER/NAME, as the Hub allows. */
export const repoName = line(200).refine(isRepoName, 'OWNER/NAME of a repository on the Hub');

/** Address of a tracking server. */
export const address = line(500).refine(isServerAddress, ADDRESS);

/** A relative path below the project, with forward slashes. */
export const below = line(500).regex(
  /^(?!\/)(?!.*\\)(?!(.*\/)?\.\.(\/|$))/s,
  'a path below the project, with forward slashes',
);

/** What a model or a run may be called. */
export const modelName = z.string(NAME.expected).regex(NAME.pattern, NAME.expected);

export const flag = z.boolean('true or false');

function numberOfText(value: unknown): unknown {
  return typeof value === 'string' && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value) ? Number(value) : value;
}

function listOfText(value: unknown): unknown {
  if (typeof value === 'number') return [value];
  return typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value;
}

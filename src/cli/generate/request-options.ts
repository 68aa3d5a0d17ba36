import type { Issue } from '../../errors.js';
import { describeValue, unknownOption } from '../../fields.js';
import { MAX_IMAGES, type RequestOptions } from '../../options.js';
import { camelCase } from '../command.js';

/** The options of the SDK that a request may have. */
const OPTIONS: Readonly<Record<keyof RequestOptions, true>> = {
  prompt: true,
  negativePrompt: true,
  seed: true,
  seeds: true,
  n: true,
  preset: true,
  steps: true,
  guidanceScale: true,
  sampler: true,
  sigmas: true,
  eta: true,
  width: true,
  height: true,
  preview: true,
};

/** What the command line calls by another name than the SDK. */
const FLAG_NAMES: Readonly<Record<string, keyof RequestOptions>> = {
  count: 'n',
  guidance: 'guidanceScale',
  negative: 'negativePrompt',
};

/** Every key that {@link readRequestOptions} knows, in the spelling of the SDK or of the flags. */
export const REQUEST_KEYS: readonly string[] = [...Object.keys(OPTIONS), ...Object.keys(FLAG_NAMES), 'size'];

/** A request as somebody wrote it down, in the SDK's terms; the values are not checked yet. */
export interface WrittenRequest {
  readonly options: Partial<RequestOptions>;
  /** By the SDK's name of an option: the key that set it. */
  readonly keys: ReadonlyMap<string, string>;
  readonly issues: readonly Issue[];
}

/**
 * Turns keys in the SDK's or the flags' spelling, with dashes, underscores or capitals, into the SDK's options: `count` is `n`,
 * `size` is width and height, `seeds` may be text such as `1-3,7`.
 *
 * @param spell how a key was written, for messages
 */
export function readRequestOptions(
  written: Readonly<Record<string, unknown>>,
  spell: (key: string) => string = (key) => key,
): WrittenRequest {
  const options = new Map<string, unknown>();
  const keys = new Map<string, string>();
  const issues: Issue[] = [];
  const set = (name: string, value: unknown, key: string) => {
    const before = keys.get(name);
    if (before !== undefined) {
      issues.push({ option: spell(key), expected: `either ${spell(before)} or ${spell(key)}`, received: 'both' });
      return;
    }
    keys.set(name, key);
    options.set(name, value);
  };
  const refuse = (key: string, expected: string) => {
    issues.push({ option: spell(key), expected, received: describeValue(written[key]) });
  };
  for (const [key, value] of Object.entries(written)) {
    const name = knownName(key);
    if (name === null) issues.push({ ...unknownOption(key, REQUEST_KEYS), option: spell(key) });
    else if (name === 'size') {
      const size = readSize(value);
      if (size === null) refuse(key, 'width and height in pixels, for example 128x128');
      else for (const [side, pixels] of Object.entries(size)) set(side, pixels, key);
    } else if (name === 'seeds' && typeof value === 'string') {
      const seeds = readSeeds(value);
      if (seeds === null) refuse(key, `1 to ${MAX_IMAGES} seeds, for example 1,2,3 or 1-5`);
      else set(name, seeds, key);
    } else set(name, value, key);
  }
  return { options: Object.fromEntries(options), keys, issues };
}

/** The SDK's name for a key, `size`, or null where there is none. */
function knownName(key: string): string | null {
  const name = camelCase(key);
  if (Object.hasOwn(FLAG_NAMES, name)) return FLAG_NAMES[name] as string;
  return name === 'size' || Object.hasOwn(OPTIONS, name) ? name : null;
}

function readSize(value: unknown): { width: number; height: number } | null {
  const [, width, height = width] = /^(\d+)(?:x(\d+))?$/i.exec(String(value)) ?? [];
  return width === undefined ? null : { width: Number(width), height: Number(height) };
}

/** `1,2,3`, `1-5`, `1..5` or a mix of them; null where the text is none of them, or a range is longer than a request may be. */
function readSeeds(text: string): number[] | null {
  const seeds: number[] = [];
  for (const part of text.split(',')) {
    const [, from, to = from] = /^\s*(\d+)(?:\s*(?:-|\.\.)\s*(\d+))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(from), Number(to)];
    // Not so for a number that is missing, either.
    if (!(last >= first && last - first < MAX_IMAGES)) return null;
    for (let index = 0; index <= last - first; index++) seeds.push(first + index);
  }
  return seeds;
}

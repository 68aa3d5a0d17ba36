import { dirname, isAbsolute, join, relative } from 'node:path';
import type { Issue } from '../../errors.js';
import { describeValue, refuse, unknownOption } from '../../fields.js';
import { type Command, type CommandInput, camelCase, type Flag, keyOfFlag, takesValue } from '../command.js';
import { GENERATE_FLAGS } from '../generate/flags.js';
import type { Io } from '../io.js';
import { type ConfigFile, findConfig } from './find-config.js';

/** Flags that say what to do now, and so have no default. */
const NOT_DEFAULTS = ['batch', 'json'];

/** Flags whose default may be written down, by their keys. */
const CONFIG_FLAGS: ReadonlyMap<string, Flag> = new Map(
  GENERATE_FLAGS.map((flag) => [keyOfFlag(flag), flag] as const).filter(([key]) => !NOT_DEFAULTS.includes(key)),
);

/** By key: the defaults that a flag on the command line puts out of force, besides its own. */
export const REPLACES: Readonly<Record<string, readonly string[]>> = {
  count: ['n', 'seeds'],
  n: ['count', 'seeds'],
  seed: ['seeds'],
  seeds: ['seed', 'count', 'n'],
  size: ['width', 'height'],
  width: ['size'],
  height: ['size'],
  guidance: ['guidanceScale'],
  guidanceScale: ['guidance'],
  negative: ['negativePrompt'],
  negativePrompt: ['negative'],
  preset: ['steps', 'sampler', 'guidance', 'guidanceScale'],
  // A name with an extension says the format.
  output: ['format'],
};

/** A default that was written down, as the flag would have it. */
export interface Default {
  readonly value: string | boolean;
  /** File and key, as messages name it. */
  readonly source: string;
}

export interface Defaults {
  /** Null where nothing is written down. */
  readonly file: ConfigFile | null;
  /** By the keys of the flags. */
  readonly values: ReadonlyMap<string, Default>;
}

/**
 * The defaults of the working folder.
 *
 * @throws T2IError OPTION_INVALID with every unknown key and every value of the wrong type; IO_FAILED
 */
export function readDefaults(io: Io): Defaults {
  const folder = workingFolder(io);
  const file = folder === null ? null : findConfig(folder);
  if (folder === null || file === null) return { file: null, values: new Map() };
  const values = new Map<string, Default>();
  const issues: Issue[] = [];
  for (const [written, value] of Object.entries(file.values)) {
    const key = camelCase(written);
    const source = `${file.label}: ${written}`;
    const flag = CONFIG_FLAGS.get(key);
    const text = flag && asFlag(flag, value);
    if (flag === undefined) issues.push({ ...unknownOption(written, [...CONFIG_FLAGS.keys()]), option: source });
    else if (text == null) issues.push({ option: source, expected: expectedOf(flag), received: describeValue(value) });
    else values.set(key, { value: fromFolder(key, text, relative(folder, dirname(file.path))), source });
  }
  refuse(issues);
  return { file, values };
}

/** What the user typed, with the defaults that it does not replace, and where each of those comes from. */
export function withDefaults(command: Command, input: CommandInput, { values }: Defaults): CommandInput {
  const keys = new Set(command.flags.map(keyOfFlag));
  const replaced = new Set(Object.keys(input.flags).flatMap((key) => [key, ...(REPLACES[key] ?? [])]));
  const used = [...values].filter(([key]) => keys.has(key) && !replaced.has(key));
  const flags = Object.fromEntries(used.map(([key, { value }]) => [key, value]));
  return {
    args: input.args,
    flags: { ...flags, ...input.flags },
    sources: Object.fromEntries(used.map(([key, { source }]) => [key, source])),
  };
}

/** Null where the folder was removed. */
function workingFolder(io: Io): string | null {
  try {
    return io.cwd ?? process.cwd();
  } catch {
    return null;
  }
}

/** The value as the flag would have it; null where it is of the wrong type. */
function asFlag(flag: Flag, value: unknown): string | boolean | null {
  if (!takesValue(flag)) return typeof value === 'boolean' ? value : null;
  if (keyOfFlag(flag) === 'seeds' && Array.isArray(value)) return value.join(',');
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function expectedOf(flag: Flag): string {
  if (!takesValue(flag)) return 'true or false';
  return keyOfFlag(flag) === 'seeds' ? 'a list of numbers, or text such as "1-5"' : 'text or a number';
}

/** Paths are meant from the folder of the file that names them. */
function fromFolder(key: string, value: string | boolean, folder: string): string | boolean {
  if (typeof value !== 'string' || folder === '' || isAbsolute(value)) return value;
  const isPath = key === 'output' ? value !== '-' : key === 'model' && /^\.|[\\/]/.test(value);
  return isPath ? join(folder, value) : value;
}

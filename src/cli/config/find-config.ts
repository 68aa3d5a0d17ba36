import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { T2IError } from '../../errors.js';
import { describeValue, isRecord, refuse } from '../../fields.js';
import { cannotRead } from '../../files.js';
import { decodeText } from '../text-file.js';

/** Defaults that somebody wrote down; nothing in them is checked yet. */
export interface ConfigFile {
  /** Absolute path. */
  readonly path: string;
  /** What messages call it, for example `../t2i.config.json` or `package.json: t2i`. */
  readonly label: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const FILE = 't2i.config.json';

/**
 * Finds `t2i.config.json`, or the key `t2i` of package.json: in a folder or above it, up to the first package.json. Where there is no
 * package.json, only the folder itself counts, so that a file in a folder above, which may be a stranger's, is not followed.
 *
 * @param start absolute path of the folder
 * @throws T2IError IO_FAILED; OPTION_INVALID where what is there is not a JSON object
 */
export function findConfig(start: string): ConfigFile | null {
  let found: ConfigFile | null = null;
  for (let folder = start; ; folder = dirname(folder)) {
    const project = readProject(join(folder, 'package.json'));
    found ??= readFile(start, join(folder, FILE)) ?? readKey(start, join(folder, 'package.json'), project);
    if (project !== undefined) return found;
    if (folder === dirname(folder)) return found !== null && dirname(found.path) === start ? found : null;
  }
}

function readFile(start: string, path: string): ConfigFile | null {
  const text = readText(path);
  if (text === null) return null;
  const label = relative(start, path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new T2IError('OPTION_INVALID', `${label} is not valid JSON: ${(cause as Error).message}`, {
      hint: `Correct ${path}, or move it away.`,
      cause,
    });
  }
  return { path, label, values: record(label, json) };
}

function readKey(start: string, path: string, project: unknown): ConfigFile | null {
  if (!isRecord(project) || project.t2i === undefined) return null;
  const label = `${relative(start, path)}: t2i`;
  return { path, label, values: record(label, project.t2i) };
}

function record(option: string, value: unknown): Readonly<Record<string, unknown>> {
  if (isRecord(value)) return value;
  refuse([{ option, expected: 'an object', received: describeValue(value) }]);
  return {};
}

/** Undefined where there is none; null for a damaged one, which is npm's business and marks the end of the project all the same. */
function readProject(path: string): unknown {
  const text = readText(path);
  if (text === null) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function readText(path: string): string | null {
  try {
    return decodeText(readFileSync(path));
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    // Nobody can have put a file for this user where this user may not look.
    if (!mayEnter(dirname(path))) return null;
    throw cannotRead(path, cause);
  }
}

function mayEnter(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

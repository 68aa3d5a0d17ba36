import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { T2IError } from '../errors.js';
import { absolutePath } from '../files.js';
import { nearestName } from '../suggest.js';

/** The model that is used where none is named. */
export const DEFAULT_MODEL = 'emoji-128';

/** Folder of the models that ship with the package; src/ and dist/ lie side by side, so both find it. */
const PACKAGED = fileURLToPath(new URL('../../models/', import.meta.url));

/**
 * Absolute path of a model directory.
 * @param nameOrDir a packaged model's name, or a path; the default model when absent. A path that exists wins over a name
 *   when it holds a separator or a dot in front, otherwise the name wins.
 * @throws T2IError MODEL_NOT_FOUND with what was tried and the nearest name; IO_FAILED
 */
export async function resolveModel(nameOrDir: string = DEFAULT_MODEL): Promise<string> {
  const isPath = /[\\/]/.test(nameOrDir) || nameOrDir.startsWith('.');
  const candidates: string[] = [];
  for (const locate of isPath ? [absolutePath] : [inPackage, absolutePath]) {
    const path = locate(nameOrDir);
    if (nameOrDir !== '' && (await isDirectory(path))) return path;
    candidates.push(path);
  }
  const names = await packagedNames();
  const near = nearestName(basename(nameOrDir), names);
  throw new T2IError(
    'MODEL_NOT_FOUND',
    `No model ${JSON.stringify(nameOrDir)}: tried ${candidates.map((path) => JSON.stringify(path)).join(' and ')}.`,
    {
      hint:
        near === null
          ? `Packaged: ${names.join(', ') || 'none'}; or give the path of a model directory, or OWNER/NAME of the Hub.`
          : `Did you mean ${near}? Packaged: ${names.join(', ')}; or give the path of a model directory, or OWNER/NAME of the Hub.`,
    },
  );
}

const inPackage = (name: string) => join(PACKAGED, name);

/** The models that ship with the package. */
export async function packagedModels(): Promise<{ readonly name: string; readonly dir: string }[]> {
  return (await packagedNames()).map((name) => ({ name, dir: inPackage(name) }));
}

/** Names of the models that ship with the package, sorted. */
async function packagedNames(): Promise<string[]> {
  const entries = await readdir(PACKAGED, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

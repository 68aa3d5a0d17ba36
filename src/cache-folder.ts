import { homedir } from 'node:os';
import { join } from 'node:path';
import { T2IError } from './errors.js';
import { absolutePath } from './files.js';

/**
 * Where everything is kept that can be made again: `t2i` in the first there is of T2I_CACHE, XDG_CACHE_HOME and ~/.cache.
 *
 * @throws T2IError IO_FAILED where the user has no home folder
 */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  return absolutePath(join(env.T2I_CACHE || env.XDG_CACHE_HOME || join(homeFolder('T2I_CACHE'), '.cache'), 't2i'));
}

/**
 * The user's home folder.
 *
 * @param variable of the environment that makes it unnecessary
 * @throws T2IError IO_FAILED where there is none
 */
export function homeFolder(variable: string): string {
  try {
    return homedir();
  } catch (cause) {
    throw new T2IError('IO_FAILED', `This user has no home folder: ${(cause as Error).message}`, {
      hint: `Name a folder for caches with ${variable}.`,
      cause,
    });
  }
}

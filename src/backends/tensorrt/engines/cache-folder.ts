import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../../../cache-folder.js';
import { T2IError } from '../../../errors.js';
import { absolutePath, makeFolder } from '../../../files.js';

const OTHERS_MAY_WRITE = 0o002;
const STICKY = 0o1000;

/** Where engines are kept: T2I_ENGINE_CACHE, or `engines` in the cache folder. @throws T2IError IO_FAILED */
export function engineCacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.T2I_ENGINE_CACHE) return absolutePath(env.T2I_ENGINE_CACHE);
  return join(cacheFolder(env), 'engines');
}

/**
 * Makes sure that the folder is there and that not everybody can put engines into it, for what lies in it is run as code. A new one is
 * its owner's alone.
 *
 * @throws T2IError IO_FAILED
 */
export async function openCacheFolder(dir: string): Promise<void> {
  try {
    await makeFolder(dir, 0o700);
    const { mode } = await stat(dir);
    // A sticky folder lets nobody replace the files of others, and those are checked one by one.
    if ((mode & OTHERS_MAY_WRITE) === 0 || (mode & STICKY) !== 0) return;
  } catch (cause) {
    throw new T2IError('IO_FAILED', `Cannot use ${dir} as the engine cache: ${(cause as Error).message}`, {
      hint: 'Name another folder with T2I_ENGINE_CACHE.',
      cause,
    });
  }
  throw new T2IError('IO_FAILED', `Cannot use ${dir} as the engine cache: everybody may write to it`, {
    hint: `Engines are run as code. Run \`chmod o-w ${dir}\`, or name another folder with T2I_ENGINE_CACHE.`,
  });
}

import { join } from 'node:path';
import { cacheFolder } from '../cache-folder.js';
import { HashCache } from '../model/hash-cache.js';
import type { Io } from './io.js';

const MOST_FILES = 1000;

/** The hashes of model files in `hashes.json` of the cache folder. */
export async function openHashCache({ env }: Io): Promise<HashCache> {
  let file: string | null = null;
  try {
    file = join(cacheFolder(env), 'hashes.json');
  } catch {
    // A user without a home folder: files are hashed each time.
  }
  return HashCache.open(file, MOST_FILES);
}

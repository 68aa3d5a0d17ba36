import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { T2IError } from '../errors.js';

/**
 * Writes a file so that a reader finds the old one, none, or the whole new one, never a part: under a temporary name in the
 * same folder, synced, then renamed.
 *
 * @throws T2IError IO_FAILED; the temporary file is removed
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeSynced(await open(temporary, 'wx'), bytes);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new T2IError('IO_FAILED', `Cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

async function writeSynced(file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

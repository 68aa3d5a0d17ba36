import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cannotRead } from '../../files.js';
import { type HashMemory, hashOnce } from '../../model/hashes.js';
import { listFiles } from '../transfer/tree.js';

/** Of files that are hashed: those of a project, by the memory of what was hashed before. */
export interface Contents {
  /** SHA-256 in hex of a file, or of the paths and hashes of a folder's files; null where there is nothing. @throws T2IError IO_FAILED */
  of(path: string): Promise<string | null>;
}

/** @param project absolute path, below which paths are */
export function contentsOf(project: string, memory: HashMemory, signal: AbortSignal): Contents {
  const hashFile = async (path: string) => {
    try {
      return (await hashOnce(path, memory, signal)).sha256;
    } catch (cause) {
      signal.throwIfAborted();
      throw cannotRead(path, cause);
    }
  };
  return {
    async of(path) {
      const full = join(project, path);
      const found = await stat(full).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return null;
        throw cannotRead(full, cause);
      });
      if (found === null) return null;
      if (!found.isDirectory()) return hashFile(full);
      const hash = createHash('sha256');
      for (const file of await listFiles(full)) hash.update(`${file}\0${await hashFile(join(full, file))}\n`);
      return hash.digest('hex');
    },
  };
}

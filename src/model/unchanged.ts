import { join } from 'node:path';
import { T2IError } from '../errors.js';
import type { ModelDescription } from './description.js';
import { hashFile } from './hashes.js';
import { stampFile } from './stamps.js';

/**
 * Makes sure that the files of a model are those that it was described from, before they are opened once more: a file whose size,
 * time or place on the disk is another one is hashed again.
 *
 * @throws T2IError MODEL_INVALID with every file that holds something else now, or is gone
 */
export async function checkUnchanged({ dir, hashes, stamps }: ModelDescription): Promise<void> {
  const changed: string[] = [];
  for (const [path, before] of Object.entries(stamps)) {
    const full = join(dir, path);
    const now = await stampFile(full).catch(() => null);
    if (now === null) changed.push(`${path} is gone`);
    else if (now.size !== before.size) changed.push(`${path} has ${now.size} bytes, and had ${before.size}`);
    else if (now.changedMs !== before.changedMs || now.inode !== before.inode) {
      if ((await hashFile(full).catch(() => null)) !== hashes[path]) changed.push(`${path} has another SHA-256`);
    }
  }
  if (changed.length === 0) return;
  throw new T2IError('MODEL_INVALID', `The model changed on the disk since it was loaded: ${changed.join('; ')}`, {
    hint: 'Close the pipeline and load the model again, or put the files back.',
  });
}

import { randomBytes } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PROCESS_TAG, processState, processTag } from './process-tag.js';

const DAY = 24 * 60 * 60 * 1000;
const TEMPORARY = new RegExp(`^\\..*\\.t2i-(${PROCESS_TAG.source})-[0-9a-f]{12}\\.tmp$`, 's');

/** Path for a file that is not yet whole, in the folder of the one that it becomes. It names this process. */
export function temporaryPath(path: string): string {
  // A name has 255 bytes at most; a character takes up to three.
  const start = basename(path).slice(0, 50);
  return join(dirname(path), `.${start}.t2i-${processTag()}-${randomBytes(6).toString('hex')}.tmp`);
}

/** Which process a file belongs to; null where it is no leftover of ours. */
type TagOf = (path: string) => Promise<string | null>;

/**
 * Removes the temporary files that killed processes left in a folder.
 *
 * @param tagOf knows leftovers besides those that {@link temporaryPath} names
 */
export async function removeLeftovers(folder: string, tagOf: TagOf = async () => null): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    // What cannot be looked at or removed is no reason to do nothing else.
    await removeIfLeft(join(folder, name), tagOf).catch(() => {});
  }
}

async function removeIfLeft(path: string, tagOf: TagOf): Promise<void> {
  const info = await lstat(path);
  if (!info.isFile()) return;
  const tag = TEMPORARY.exec(basename(path))?.[1] ?? (await tagOf(path));
  if (tag === null) return;
  const state = processState(tag);
  // No write takes a day.
  const left = state === 'gone' || (state === 'unknown' && Date.now() - info.mtimeMs > DAY);
  if (left) await rm(path, { force: true });
}

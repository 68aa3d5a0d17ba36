import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from './manifest.js';
import type { ModelFiles } from './model-files.js';
import { invalidModel, type Problems } from './problems.js';
import { type FileStamp, stampFile } from './stamps.js';

const COPY_HINT =
  'If you trust the other file, copy the file, so that the model directory has one of its own: cp FILE COPY && mv COPY FILE.';

/** What is known of the files that were used, each by its path in the model directory, in the order of the paths. */
export interface HashedFiles {
  /** SHA-256 in hex. */
  readonly hashes: Record<string, string>;
  /** Taken before the file was hashed. */
  readonly stamps: Record<string, FileStamp>;
}

/** What is known of files that were hashed before, by absolute path. */
export interface HashMemory {
  /** The SHA-256 in hex of a file that looked so; undefined where it is not known. */
  recall(path: string, stamp: FileStamp): string | undefined;
  /** @param stamp taken before the file was hashed */
  keep(path: string, stamp: FileStamp, sha256: string): void;
}

/** Hashes every file that was used and is not known. @throws the signal's reason when aborted */
export async function hashFiles(
  files: ModelFiles,
  problems: Problems,
  signal?: AbortSignal,
  memory?: HashMemory,
): Promise<HashedFiles> {
  const found: HashedFiles = { hashes: {}, stamps: {} };
  for (const path of [...files.used].sort()) {
    await problems.collect(async () => {
      try {
        const { stamp, sha256 } = await hashOnce(join(files.dir, path), memory, signal);
        found.stamps[path] = stamp;
        found.hashes[path] = sha256;
      } catch (error) {
        signal?.throwIfAborted();
        throw invalidModel(path, 'a file that can be read', (error as Error).message);
      }
    });
  }
  return found;
}

/**
 * Hashes a file, unless the memory knows it.
 *
 * @returns what the file looked like before that, and its SHA-256 in hex
 * @throws the system's error; an AbortError when aborted
 */
export async function hashOnce(
  path: string,
  memory?: HashMemory,
  signal?: AbortSignal,
): Promise<{ readonly stamp: FileStamp; readonly sha256: string }> {
  const stamp = await stampFile(path);
  const known = memory?.recall(path, stamp);
  if (known !== undefined) return { stamp, sha256: known };
  const sha256 = await hashFile(path, signal);
  memory?.keep(path, stamp, sha256);
  return { stamp, sha256 };
}

/** SHA-256 in hex. @throws the system's error; an AbortError when aborted */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest('hex');
}

/**
 * Notes files whose content is not what the manifest lists, and external data with other names on the disk (hard links,
 * through which a file outside could be read as weights) that no manifest vouches for. Package managers make such links
 * too, so a listed hash that matches is enough.
 */
export function checkHashes(
  hashes: Readonly<Record<string, string>>,
  manifest: Manifest | null,
  shared: readonly string[],
  problems: Problems,
): void {
  const listed = new Map(Object.entries(manifest?.files ?? {}));
  for (const [path, hash] of Object.entries(hashes)) {
    const expected = listed.get(path);
    if (expected !== undefined && expected !== hash) problems.add(path, `SHA-256 ${expected} as t2i.json lists`, hash);
  }
  for (const path of shared) {
    if (!listed.has(path)) {
      problems.add(
        path,
        'one name on the disk, or a SHA-256 in t2i.json',
        'a hard link to a file that may lie elsewhere',
        COPY_HINT,
      );
    }
  }
}

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { T2IError } from '../../errors.js';
import { cannotRead, makeFolder } from '../../files.js';
import { temporaryPath } from '../../temporary-files.js';

/** A file as it is to arrive. */
export interface FileRecord {
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
}

/**
 * Whether a file of this path, with forward slashes, lies below the folder that it is written to, on any system. As `stays_inside` of the
 * trainer (trainer/t2i_trainer/pack.py).
 */
export function staysInside(path: string): boolean {
  return !/[\\:\0]/.test(path) && path.split('/').every((part) => !/^\.{0,2}$/.test(part));
}

/** Files of a folder by path with forward slashes. */
export type TreeRecord = Readonly<Record<string, FileRecord>>;

/**
 * Paths of all files of a folder, with forward slashes, sorted. A link to a file counts as that file: DVC lays data down as links where
 * its cache is told to.
 *
 * @throws T2IError IO_FAILED, also for a link to nothing or to a folder
 */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw cannotRead(folder, cause);
  });
  const found = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  const paths = await Promise.all(
    found.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      if (entry.isSymbolicLink()) await requireFile(path);
      return relative(folder, path).split(sep).join('/');
    }),
  );
  return paths.sort();
}

/** @throws T2IError IO_FAILED for a link to nothing or to a folder */
async function requireFile(link: string): Promise<void> {
  const target = await stat(link).catch((cause: unknown) => {
    throw cannotRead(link, cause);
  });
  if (target.isFile()) return;
  throw new T2IError('IO_FAILED', `${link} is a link to something that is not a file`, {
    hint: 'Put there what it links to: only links to files are followed.',
  });
}

/** As {@link listFiles}, and none of a folder that is missing. */
export async function listFolder(folder: string): Promise<string[]> {
  return listFiles(folder).catch((error) => {
    if (T2IError.is(error) && (error.cause as NodeJS.ErrnoException)?.code === 'ENOENT') return [];
    throw error;
  });
}

/**
 * Copies a file by a temporary name, synced, and hashes what it copied.
 *
 * @param expected refuses anything else, before the target is there
 * @throws T2IError DATA_INVALID for a file that changed while it was read, or is not the expected one; IO_FAILED; the signal's reason
 */
export async function copyFile(
  from: string,
  to: string,
  signal: AbortSignal,
  expected?: FileRecord,
): Promise<FileRecord> {
  const temporary = temporaryPath(to);
  await makeFolder(dirname(to));
  try {
    const before = await stat(from);
    const hash = createHash('sha256');
    const source = createReadStream(from);
    source.on('data', (chunk) => hash.update(chunk));
    await pipeline(source, createWriteStream(temporary, { flags: 'wx' }), { signal });
    const after = await stat(from);
    const record = { bytes: after.size, sha256: hash.digest('hex') };
    if (before.mtimeMs !== after.mtimeMs || before.size !== after.size) throw changed(from);
    if (expected !== undefined && (record.sha256 !== expected.sha256 || record.bytes !== expected.bytes))
      throw differs(from, expected, record);
    await syncFile(temporary);
    await rename(temporary, to);
    return record;
  } catch (cause) {
    await rm(temporary, { force: true });
    signal.throwIfAborted();
    if (T2IError.is(cause)) throw cause;
    throw new T2IError('IO_FAILED', `Cannot copy ${from} to ${to}: ${(cause as Error).message}`, {
      hint: 'Check both paths, their permissions, and that the disk has space.',
      cause,
    });
  }
}

/**
 * What two files are that are equal; null where the copy is missing or another one. Of files whose sizes differ neither is read.
 *
 * @throws T2IError IO_FAILED; the signal's reason when aborted
 */
export async function sameFile(source: string, copy: string, signal: AbortSignal): Promise<FileRecord | null> {
  const sizes = await Promise.all([source, copy].map(async (path) => (await stat(path).catch(() => null))?.size));
  if (sizes[0] === undefined || sizes[0] !== sizes[1]) return null;
  const [one, other] = [await hashOf(source, signal), await hashOf(copy, signal)];
  return one.sha256 === other.sha256 ? one : null;
}

/** @throws T2IError IO_FAILED; the signal's reason */
export async function hashOf(path: string, signal: AbortSignal): Promise<FileRecord> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { signal })) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cannotRead(path, cause);
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function changed(path: string): T2IError {
  return new T2IError('DATA_INVALID', `${path} changed while it was read`, {
    hint: 'Wait until whatever writes it is done, then run this again; what was copied is kept.',
  });
}

function differs(path: string, expected: FileRecord, { bytes, sha256 }: FileRecord): T2IError {
  const issue = {
    option: path,
    expected: `${expected.bytes} bytes, sha256 ${expected.sha256}`,
    received: `${bytes} bytes, sha256 ${sha256}`,
  };
  return new T2IError('DATA_INVALID', `${path} is not the file of its record`, {
    issues: [issue],
    hint: 'Train again, or restore the file; nothing was replaced.',
  });
}

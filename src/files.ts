import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { T2IError } from './errors.js';
import { temporaryPath } from './temporary-files.js';

/**
 * Writes a file so that a reader finds the old one, none, or the whole new one, never a part: under a temporary name in the
 * same folder, synced, then renamed. What is no regular file (a pipe, a device) is written to as it is.
 *
 * @throws T2IError OPTION_INVALID for a path that no system takes, IO_FAILED; the temporary file is removed
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    if (await isSpecial(path)) return await writeAndClose(await open(path, 'w'), bytes, false);
    await writeAndClose(await open(temporary, 'wx'), bytes, true);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw cannotWrite(path, cause as Error);
  }
}

/** Writes a value as indented JSON, as {@link writeFileAtomic} does. */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, Buffer.from(`${JSON.stringify(value, null, 1)}\n`));
}

/**
 * Makes sure that a file can be written at `path`, so that no work is lost when it is there to be written: makes the folders that
 * lack, and tries a file in the last of them.
 *
 * @throws T2IError as {@link writeFileAtomic}
 */
export async function prepareFile(path: string): Promise<void> {
  refuseNul(path);
  await makeFolder(dirname(path));
  const temporary = temporaryPath(path);
  try {
    if (await isSpecial(path)) return;
    await (await open(temporary, 'wx')).close();
  } catch (cause) {
    throw cannotWrite(path, cause as Error);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/**
 * Makes a folder and those above it that lack. Node's own recursive mkdir never ends below /proc, whose folders say that they can
 * be made and are not.
 *
 * @param mode of the folders that are made
 * @throws T2IError IO_FAILED naming the folder that cannot be made, OPTION_INVALID
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  refuseNul(path);
  const lacking: string[] = [];
  for (let folder = path; !(await isFolder(folder)); folder = dirname(folder)) {
    lacking.push(folder);
    if (dirname(folder) === folder) break;
  }
  for (const folder of lacking.reverse()) {
    try {
      await mkdir(folder, mode);
    } catch (cause) {
      // Another process may have made it meanwhile.
      if (!(await isFolder(folder).catch(() => false))) throw cannotMake(folder, path, cause as Error);
    }
  }
}

/** @throws T2IError IO_FAILED where something else is there, or the system does not say */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    throw cannotMake(path, path, error as Error);
  }
  throw new T2IError('IO_FAILED', `Cannot make the folder ${path}: a file of that name is there`, {
    hint: 'Name another folder, or move the file away.',
  });
}

/**
 * The absolute form of a path.
 *
 * @throws T2IError IO_FAILED where it is relative to a working folder that was deleted
 */
export function absolutePath(path: string): string {
  try {
    return resolve(path);
  } catch (cause) {
    throw new T2IError('IO_FAILED', `Cannot find ${path}: the working folder was deleted`, {
      hint: 'Change into a folder that is there, or give an absolute path.',
      cause,
    });
  }
}

/** True for a pipe, a socket or a device. @throws the system's error, or one for a folder */
async function isSpecial(path: string): Promise<boolean> {
  refuseNul(path);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found?.isDirectory()) throw new Error('a folder of that name is there');
  return found !== null && !found.isFile();
}

async function writeAndClose(file: FileHandle, bytes: Uint8Array, sync: boolean): Promise<void> {
  try {
    await file.writeFile(bytes);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

function refuseNul(path: string): void {
  if (!path.includes('\0')) return;
  const issue = { option: 'path', expected: 'a path without NUL', received: JSON.stringify(path) };
  throw new T2IError('OPTION_INVALID', `path: expected ${issue.expected}, received ${issue.received}`, {
    issues: [issue],
  });
}

/** @param cause what the system said */
export function cannotRead(path: string, cause: unknown): T2IError {
  if (T2IError.is(cause)) return cause;
  return new T2IError('IO_FAILED', `Cannot read ${path}: ${(cause as Error).message}`, {
    hint: 'Check the path and its permissions.',
    cause,
  });
}

/** @param cause what the system said */
export function cannotWrite(path: string, cause: Error): T2IError {
  if (T2IError.is(cause)) return cause;
  return new T2IError('IO_FAILED', `Cannot write ${path}: ${cause.message}`, { hint: HINT, cause });
}

function cannotMake(folder: string, whole: string, cause: Error): T2IError {
  const where = folder === whole ? folder : `${folder}, for ${whole}`;
  return new T2IError('IO_FAILED', `Cannot make the folder ${where}: ${cause.message}`, { hint: HINT, cause });
}

const HINT = 'Name a folder that you may write to, on a disk that has space.';

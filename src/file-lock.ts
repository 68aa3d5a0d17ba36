import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { cannotWrite } from './files.js';
import { processState, processTag } from './process-tag.js';

const HEARTBEAT = 10_000;
/** An owner that has not touched its lock for so long is gone, whatever its process id says. */
const STALE = 60_000;
const POLL = 200;

/**
 * Keeps two processes from making the same file. Only a courtesy: who ignores it, or loses it, must end with the same whole file, by
 * writing it under a name of its own and renaming it.
 *
 * @param path of the lock file, which holds the owner's process id
 * @param onWait called once where another one has the lock
 * @throws T2IError IO_FAILED; the signal's reason
 */
export async function withFileLock<T>(
  path: string,
  { signal, onWait }: { readonly signal: AbortSignal; readonly onWait: () => void },
  work: () => Promise<T>,
): Promise<T> {
  const token = lockToken(process.pid);
  let told = false;
  while (!(await acquire(path, token))) {
    signal.throwIfAborted();
    if (await takeFromTheDead(path)) continue;
    if (!told) onWait();
    told = true;
    await setTimeout(POLL, undefined, { signal }).catch(() => {});
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT);
  heartbeat.unref();
  try {
    signal.throwIfAborted();
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await owner(path)) === token) await rm(path, { force: true });
  }
}

/** What a lock of process `pid` holds: which process that is, and a number of its own. */
export function lockToken(pid: number): string {
  return `${processTag(pid)} ${randomBytes(8).toString('hex')}\n`;
}

/** The lock appears with its owner in it: a file of a name of its own gets the lock's as a second one. */
async function acquire(path: string, token: string): Promise<boolean> {
  const own = ownName(path);
  try {
    await writeFile(own, token, { flag: 'wx', mode: 0o600 });
    await link(own, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw cannotWrite(path, cause as Error);
  } finally {
    await rm(own, { force: true });
  }
}

/** Removes the lock of an owner that is gone. Whether it is worth another try at once. */
async function takeFromTheDead(path: string): Promise<boolean> {
  const token = await owner(path);
  if (token === null) return true;
  if (processState(token.split(' ', 1)[0] as string) !== 'gone' && (await age(path)) < STALE) return false;
  const aside = ownName(path);
  try {
    await rename(path, aside);
  } catch {
    return true;
  }
  // Somebody else may have been faster, and what was taken away the lock of one that lives: that one gets it back.
  if ((await owner(aside)) !== token) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
  return true;
}

function ownName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
}

function owner(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

async function age(path: string): Promise<number> {
  const info = await stat(path).catch(() => null);
  return info === null ? 0 : Date.now() - info.mtimeMs;
}

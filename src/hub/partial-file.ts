import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { T2IError } from '../errors.js';
import { cannotRead } from '../files.js';
import type { RemoteFile } from './remote.js';

/** The name of a file's content: its SHA-256, or git's SHA-1 of a small one. */
export function hashOf({ sha256, gitId }: RemoteFile): string {
  return sha256 ?? gitId;
}

/** Whether a file holds what is announced. @throws T2IError IO_FAILED; the signal's reason */
export async function holds(path: string, file: RemoteFile, signal: AbortSignal): Promise<boolean> {
  return (
    (await sizeOf(path)) === file.bytes &&
    (await hashStart(path, file, file.bytes, signal)).digest('hex') === hashOf(file)
  );
}

/** Size of a file; null where there is none. */
export async function sizeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(() => null))?.size ?? null;
}

/** The start of a file that is being fetched, and its hash so far. */
export class PartialFile {
  private constructor(
    readonly path: string,
    private readonly file: RemoteFile,
    private readonly handle: FileHandle,
    private hash: Hash,
    /** Bytes that are there. */
    public bytes: number,
  ) {}

  /** Goes on with what an earlier run left. @throws T2IError IO_FAILED; the signal's reason */
  static async open(path: string, file: RemoteFile, signal: AbortSignal): Promise<PartialFile> {
    const bytes = Math.min((await sizeOf(path)) ?? 0, file.bytes);
    const hash = await hashStart(path, file, bytes, signal);
    try {
      // Not for appending: what follows the start is overwritten.
      const handle = await open(path, bytes > 0 ? 'r+' : 'w');
      await handle.truncate(bytes);
      return new PartialFile(path, file, handle, hash, bytes);
    } catch (cause) {
      throw cannotWrite(path, cause);
    }
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length; )
        at += (await this.handle.write(chunk, at, chunk.length - at, this.bytes + at)).bytesWritten;
    } catch (cause) {
      throw cannotWrite(this.path, cause);
    }
    this.hash.update(chunk);
    this.bytes += chunk.length;
  }

  /** Forgets what is there. */
  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.hash = startHash(this.file);
    this.bytes = 0;
  }

  /** Puts it where it is to lie, if it is what was announced: synced, renamed, its folder synced. Returns whether it was. */
  async finish(to: string): Promise<boolean> {
    if (this.bytes !== this.file.bytes || this.hash.copy().digest('hex') !== hashOf(this.file)) return false;
    try {
      await this.handle.sync();
      await rename(this.path, to);
      await syncFolder(dirname(to));
      return true;
    } catch (cause) {
      throw cannotWrite(to, cause);
    }
  }

  /** @param keep for another run to go on with */
  async close(keep: boolean): Promise<void> {
    await this.handle.close();
    if (!keep) await rm(this.path, { force: true });
  }
}

function startHash({ sha256, bytes }: RemoteFile): Hash {
  return sha256 === null ? createHash('sha1').update(`blob ${bytes}\0`) : createHash('sha256');
}

async function hashStart(path: string, file: RemoteFile, bytes: number, signal: AbortSignal): Promise<Hash> {
  const hash = startHash(file);
  if (bytes === 0) return hash;
  try {
    for await (const chunk of createReadStream(path, { end: bytes - 1, signal })) hash.update(chunk);
  } catch (cause) {
    signal.throwIfAborted();
    throw cannotRead(path, cause);
  }
  return hash;
}

/** What was renamed stays so after a loss of power; not every system lets a folder be synced. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path).catch(() => null);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

function cannotWrite(path: string, cause: unknown): T2IError {
  return new T2IError('IO_FAILED', `Cannot write ${path}: ${(cause as Error).message}`, {
    hint: 'Name a folder that you may write to, on a disk that has space, with HF_HOME or HF_HUB_CACHE.',
    cause,
  });
}

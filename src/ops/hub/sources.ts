import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { T2IError } from '../../errors.js';
import { cannotRead } from '../../files.js';

/** A file that is to be published: its path on this machine, or its content. */
export type Source = string | Uint8Array<ArrayBuffer>;

/** Files that are to be published, by their path in the repository. */
export type Sources = ReadonlyMap<string, Source>;

/** What tells a file from another one, in the two ways that the Hub does. */
export interface SourceRecord {
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  /** Git's SHA-1 of the content, in hex. */
  readonly gitId: string;
}

const LARGEST_TEXT = 5 * 2 ** 20;
/** A token of the Hub, as it is known by sight. */
const TOKEN = /\bhf_[A-Za-z0-9]{20,}/;

/** Hashes a file. @throws T2IError IO_FAILED; the signal's reason */
export async function recordOf(source: Source, signal: AbortSignal): Promise<SourceRecord> {
  const bytes = typeof source === 'string' ? await sizeOf(source) : source.length;
  const [sha256, sha1] = [createHash('sha256'), createHash('sha1').update(`blob ${bytes}\0`)];
  const chunks = typeof source === 'string' ? createReadStream(source, { signal }) : [source];
  try {
    for await (const chunk of chunks) {
      sha256.update(chunk);
      sha1.update(chunk);
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cannotRead(source as string, cause);
  }
  return { bytes, sha256: sha256.digest('hex'), gitId: sha1.digest('hex') };
}

/**
 * Refuses files that hold the token which publishes them, or any other token of the Hub.
 *
 * @throws T2IError DATA_INVALID naming the files, never the token; IO_FAILED
 */
export async function refuseSecrets(sources: Sources, token: string): Promise<void> {
  const found: string[] = [];
  for (const [path, source] of sources) {
    if (typeof source === 'string' && (await sizeOf(source)) > LARGEST_TEXT) continue;
    const bytes = typeof source === 'string' ? await read(source) : Buffer.from(source);
    const text = bytes.toString('latin1');
    if (text.includes(token) || TOKEN.test(text)) found.push(path);
  }
  if (found.length === 0) return;
  throw new T2IError('DATA_INVALID', `A token of the Hub is in ${found.join(', ')}; nothing was published`, {
    hint: 'Delete it there, and revoke it where others may have seen it.',
  });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(fail(path))).size;
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch(fail(path));
}

function fail(path: string): (cause: unknown) => never {
  return (cause) => {
    throw cannotRead(path, cause);
  };
}

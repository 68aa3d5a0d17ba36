import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { T2IError } from '../../errors.js';
import { cannotWrite, makeFolder } from '../../files.js';

/** What of a file is asked for: the bytes at its start that are left out, and the most that the whole may have. */
export interface Bounds {
  readonly start: number;
  readonly most: number;
}

/** A file as a server sends it. */
export interface Opened {
  /** Bytes at its start that are left out: those that were asked for, or none where the server cannot. */
  readonly from: number;
  /** They throw T2IError, NETWORK_FAILED where the connection breaks off. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Tries in a row that bring nothing. */
const TRIES = 3;

/**
 * Writes a file as a server sends it to `to`, going on where an earlier try broke off. Whether it is the right one, the caller looks.
 *
 * @param source asks the server
 * @param bytes of the whole file
 * @throws T2IError IO_FAILED, and as the source; the signal's reason when aborted
 */
export async function download(
  source: (bounds: Bounds) => Promise<Opened>,
  to: string,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  await makeFolder(dirname(to));
  for (let vain = 0; ; ) {
    const start = await sizeOf(to);
    if (start >= bytes) return;
    try {
      return await write(await source({ start, most: bytes }), to);
    } catch (error) {
      signal.throwIfAborted();
      // A connection that breaks off is taken up again, as long as it brings something.
      vain = (await sizeOf(to)) > start ? 0 : vain + 1;
      if (!T2IError.is(error) || error.code !== 'NETWORK_FAILED' || vain === TRIES) throw error;
    }
  }
}

/** Makes the file where it is missing. */
async function sizeOf(path: string): Promise<number> {
  try {
    await (await open(path, 'a')).close();
    return (await stat(path)).size;
  } catch (cause) {
    throw cannotWrite(path, cause as Error);
  }
}

async function write({ from, chunks }: Opened, to: string): Promise<void> {
  const writing = (work: Promise<void>) =>
    work.catch((cause: Error) => {
      throw cannotWrite(to, cause);
    });
  const file = await open(to, from > 0 ? 'a' : 'w');
  try {
    for await (const chunk of chunks) await writing(file.appendFile(chunk));
    await writing(file.sync());
  } finally {
    await file.close();
  }
}

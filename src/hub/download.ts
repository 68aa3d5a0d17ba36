import { dirname } from 'node:path';
import { T2IError } from '../errors.js';
import { withFileLock } from '../file-lock.js';
import { makeFolder } from '../files.js';
import { readChunks } from '../http/body.js';
import { HttpError, plainAddress } from '../http/http-error.js';
import { request } from '../http/request.js';
import { type Wait, withRetry } from '../http/retry.js';
import { hashOf, holds, PartialFile, sizeOf } from './partial-file.js';
import type { RemoteFile } from './remote.js';

export interface Download {
  readonly file: RemoteFile;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hint?: ((status: number) => string | undefined) | undefined;
  /** Where it is to lie; it is there whole or not at all. */
  readonly to: string;
  readonly lock: string;
  readonly signal: AbortSignal;
  /** Reads what is there already, too, rather than trusting its size. */
  readonly verify: boolean;
  /** Called with the bytes that came to be there since the last call; fewer than none where it begins anew. */
  readonly onBytes: (bytes: number) => void;
  readonly wait?: Wait | undefined;
}

/** Ending of a name that Python's own tools list as an incomplete file, and remove when asked. */
const PARTIAL = '.t2i.incomplete';

/**
 * Fetches a file of the Hub unless it is there: streamed into a partial file, which the next try goes on with, compared with its hash,
 * synced and renamed. Of several processes one fetches, and the others wait.
 *
 * @returns whether anything was fetched
 * @throws T2IError DOWNLOAD_INVALID for other content than announced, which is not kept; as `request`; IO_FAILED; the signal's reason
 */
export async function download(task: Download): Promise<boolean> {
  const { to, lock, signal } = task;
  await Promise.all([makeFolder(dirname(to)), makeFolder(dirname(lock))]);
  if (await isThere(task)) return false;
  return withFileLock(lock, { signal, onWait: () => {} }, async () => {
    // Whoever had the lock before may have fetched it.
    if (await isThere(task)) return false;
    // What an earlier run left may be damaged: then all of it is fetched once more.
    if (!(await fetchInto(task))) await fetchInto(task);
    return true;
  });
}

async function isThere({ file, to, verify, signal, onBytes }: Download): Promise<boolean> {
  const there = verify ? await holds(to, file, signal) : (await sizeOf(to)) === file.bytes;
  if (there) onBytes(file.bytes);
  return there;
}

/** @returns false where it went on with a start that was damaged; nothing of it is kept, so that the next time is the last one */
async function fetchInto(task: Download): Promise<boolean> {
  const { file, to, signal, onBytes, wait } = task;
  const partial = await PartialFile.open(to + PARTIAL, file, signal);
  const resumed = partial.bytes > 0;
  onBytes(partial.bytes);
  let keep = false;
  try {
    await withRetry(() => fetchRest(partial, task), {
      idempotent: true,
      signal,
      wait,
      progress: () => partial.bytes,
    });
    if (await partial.finish(to)) {
      keep = true;
      return true;
    }
    if (!resumed) throw differs(task, `expected ${hashOf(file)}, received another hash`);
    onBytes(-partial.bytes);
    return false;
  } catch (error) {
    keep = !(T2IError.is(error) && error.code === 'DOWNLOAD_INVALID');
    throw error;
  } finally {
    await partial.close(keep);
  }
}

/** Asks for what is not there yet. */
async function fetchRest(partial: PartialFile, task: Download): Promise<void> {
  const { file, signal, onBytes } = task;
  if (partial.bytes === file.bytes) return;
  const response = await ask(partial.bytes, task);
  if (response.status !== 206) {
    onBytes(-partial.bytes);
    await partial.restart();
  }
  if (response.status === 416) throw brokeOff(task, 'there is no such range');
  const announced = response.headers.get('content-length');
  const rest = file.bytes - partial.bytes;
  if (announced !== null && !response.headers.has('content-encoding') && Number(announced) !== rest) {
    await response.body?.cancel();
    throw differs(task, `expected ${rest} bytes, offered ${announced}`);
  }
  for await (const chunk of readChunks(response, { limit: Number.POSITIVE_INFINITY, signal })) {
    if (partial.bytes + chunk.length > file.bytes) throw differs(task, `expected ${file.bytes} bytes, received more`);
    await partial.append(chunk);
    onBytes(chunk.length);
  }
  if (partial.bytes < file.bytes) throw brokeOff(task, `only ${partial.bytes} of ${file.bytes} bytes came`);
}

async function ask(from: number, task: Download): Promise<Response> {
  const { url, headers, hint, signal } = task;
  const range = from > 0 ? { range: `bytes=${from}-` } : {};
  const response = await request(url, {
    headers: { ...headers, 'accept-encoding': 'identity', ...range },
    expect: [416],
    // Whoever calls tries again, and counts what came.
    attempts: 1,
    hint,
    signal,
  });
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (response.status === 206 && Number(start) !== from) {
    await response.body?.cancel();
    throw differs(task, `expected bytes from ${from}, offered those from ${start ?? 'nowhere'}`);
  }
  return response;
}

function brokeOff({ url }: Download, reason: string): HttpError {
  return new HttpError('NETWORK_FAILED', `${plainAddress(url)}: ${reason}`, {
    status: null,
    again: 'where idempotent',
    hint: 'Run it again: it goes on where it stopped.',
  });
}

function differs({ file, url }: Download, reason: string): T2IError {
  return new T2IError('DOWNLOAD_INVALID', `${file.path} is not what was announced: ${reason}`, {
    hint: `Run it again; if it comes back, ${new URL(url).host} or something on the way alters files. It was not kept.`,
  });
}

import { HttpError, networkError, plainAddress } from './http-error.js';

export interface ReadOptions {
  /** Most bytes that are taken. Default: 32 MiB. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which it is given up. Default: a minute. */
  readonly idle?: number | undefined;
}

const LIMIT = 32 * 2 ** 20;
const IDLE = 60_000;

/**
 * The chunks of an answer's body as they come.
 *
 * @throws T2IError NETWORK_FAILED where it breaks off or stands still, REMOTE_REFUSED where it is longer than allowed; the signal's reason
 */
export async function* readChunks(response: Response, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
  const { limit = LIMIT, signal, idle = IDLE } = options;
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let bytes = 0;
  let done = false;
  try {
    for (;;) {
      const part = await next(reader, response.url, signal, idle);
      if (part.done) break;
      bytes += part.value.length;
      if (bytes > limit) throw tooLong(response.url, limit);
      yield part.value;
    }
    done = true;
  } finally {
    if (!done) await reader.cancel().catch(() => {});
  }
}

async function next(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  url: string,
  signal: AbortSignal | undefined,
  idle: number,
): Promise<{ done: false; value: Uint8Array } | { done: true; value?: Uint8Array | undefined }> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no byte for ${idle / 1000} s`)), idle);
    stop = () => reject(signal?.reason);
    signal?.addEventListener('abort', stop);
  });
  try {
    signal?.throwIfAborted();
    return await Promise.race([reader.read(), ended]);
  } catch (cause) {
    signal?.throwIfAborted();
    throw networkError('Reading', url, cause);
  } finally {
    clearTimeout(timer);
    if (stop) signal?.removeEventListener('abort', stop);
  }
}

/** A short body as text. @throws as {@link readChunks} */
export async function readText(response: Response, options: ReadOptions = {}): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks(response, options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** A body as JSON. @throws as {@link readChunks}, and T2IError REMOTE_REFUSED where it is something else */
export async function readJson(response: Response, options: ReadOptions = {}): Promise<unknown> {
  const text = await readText(response, options);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const received = /^\s*</.test(text) ? 'an HTML page' : 'something else';
    throw new HttpError('REMOTE_REFUSED', `${plainAddress(response.url)}: expected JSON, received ${received}`, {
      status: response.status,
      again: 'never',
      hint: 'Check the address of the server; a proxy or a login page may have answered in its place.',
      cause,
    });
  }
}

function tooLong(url: string, limit: number): HttpError {
  return new HttpError('REMOTE_REFUSED', `${plainAddress(url)}: expected at most ${limit} bytes, received more`, {
    status: null,
    again: 'never',
    hint: 'Check the address of the server.',
  });
}

import type { Readable } from 'node:stream';
import { formatS3Address, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import type { Bounds, Opened } from '../transfer/download.js';

/**
 * Opens an object to be read in chunks.
 *
 * @throws T2IError REMOTE_REFUSED where it has more bytes than it may; as {@link S3Store}
 */
export async function openObject(
  store: S3Store,
  address: S3Address,
  { start, most }: Bounds,
  signal: AbortSignal,
): Promise<Opened> {
  const opened = await store.open(address, signal, start);
  const [body, bytes] = [opened.body as Readable, start + opened.bytes];
  // What breaks off before it is read is told to who reads it: nobody listening, it would end the process.
  body.on('error', () => {});
  if (bytes <= most) return { from: start, chunks: chunksOf(store, address, body, signal) };
  body.destroy();
  throw new T2IError(
    'REMOTE_REFUSED',
    `${formatS3Address(address)}: expected at most ${most} bytes, received ${bytes}`,
    {
      hint: 'Something else was written there. Remove the object, and send or train the model again.',
    },
  );
}

async function* chunksOf(
  store: S3Store,
  address: S3Address,
  body: Readable,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = () => body.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop);
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await store.call(`Cannot fetch ${formatS3Address(address)}`, signal, () => chunks.next());
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    body.destroy();
  }
}

import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { openObject } from '../../../../src/ops/s3/download.js';
import { CANARIES } from '../../../support/moto.js';
import { offlineStore } from '../../../support/offline-store.js';

const [, AWS_SECRET_ACCESS_KEY] = CANARIES;
const ADDRESS = { bucket: 'b', key: 'k' };

let body: Readable;
let stop: AbortController;
let asked: number | undefined;
beforeEach(() => {
  // Never ends by itself.
  body = new Readable({ read() {} });
  body.push('0123');
  stop = new AbortController();
});

/** Opens an object of which S3 has `bytes` beyond `start`. */
async function opened(bytes: number, start = 0) {
  const store = Object.assign(await offlineStore(), {
    open: async (_: unknown, __: unknown, from?: number) => {
      asked = from;
      return { body, bytes };
    },
  });
  return openObject(store, ADDRESS, { start, most: 10 }, stop.signal);
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const parts: string[] = [];
  for await (const chunk of chunks) parts.push(String(chunk));
  return parts;
}

describe('an object of S3', () => {
  it('comes in chunks, from the byte that was asked for', async () => {
    const { from, chunks } = await opened(7, 3);
    body.push('456');
    body.push(null);
    expect([from, asked]).toEqual([3, 3]);
    expect((await read(chunks)).join('')).toBe('0123456');
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  it('that has more bytes than it may is not read', async () => {
    await expect(opened(8, 3)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: 's3://b/k: expected at most 10 bytes, received 11',
    });
    expect(body.destroyed).toBe(true);
  });

  it("ends with the signal's reason while it waits for more", async () => {
    const { chunks } = await opened(10);
    const reading = read(chunks);
    await new Promise(setImmediate);
    stop.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    expect([body.destroyed, getEventListeners(stop.signal, 'abort')]).toEqual([true, []]);
  });

  it('that breaks off before it is read says so then, without a secret', async () => {
    const { chunks } = await opened(10);
    body.destroy(Object.assign(new Error(`read ECONNRESET ${AWS_SECRET_ACCESS_KEY}`), { code: 'ECONNRESET' }));
    await new Promise(setImmediate);
    const error = await read(chunks).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'NETWORK_FAILED', message: expect.stringContaining('Cannot fetch s3://b/k') });
    expect((error as Error).message).not.toContain(AWS_SECRET_ACCESS_KEY);
  });

  it('is let go where its reader leaves', async () => {
    const { chunks } = await opened(10);
    for await (const _ of chunks) break;
    expect([body.destroyed, getEventListeners(stop.signal, 'abort')]).toEqual([true, []]);
  });
});

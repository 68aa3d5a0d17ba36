import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withFileLock } from '../../../src/file-lock.js';
import { type Download, download } from '../../../src/hub/download.js';
import { answer, FAULTS, FakeServer, type Fault } from '../../support/fake-server.js';

const { signal } = new AbortController();
const WHOLE = Buffer.from('0123456789'.repeat(1000));
const fileOf = (bytes: Buffer) => ({
  path: 'unet/a',
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  gitId: 'a'.repeat(40),
});
/** Sends the range that is asked for. */
const ranged: Fault = (response, { headers }) => {
  const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
  const range = { 'content-range': `bytes ${start}-${WHOLE.length - 1}/${WHOLE.length}` };
  if (start > 0) answer(response, 206, WHOLE.subarray(start), range);
  else answer(response, 200, WHOLE);
};
/** Sends bytes without saying how many. */
const chunked =
  (bytes: Buffer): Fault =>
  (response) => {
    response.writeHead(200);
    response.end(bytes);
  };

let fake: FakeServer;
let folder: string;
let to: string;
let told: number[];
beforeAll(async () => {
  fake = await FakeServer.start((request, response) => ranged(response, request, () => {}));
});
afterAll(() => fake.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-download-'));
  to = join(folder, 'blobs/a');
  told = [];
  fake.requests.length = 0;
  fake.stopFailing();
});
afterEach(() => rmSync(folder, { recursive: true }));

const task = (more: Partial<Download> = {}): Download => ({
  ...{ file: fileOf(WHOLE), url: `${fake.url}/a`, headers: {}, to, lock: join(folder, 'locks/a'), signal },
  ...{ verify: false, onBytes: (bytes: number) => told.push(bytes), wait: async () => {} },
  ...more,
});
const sum = (bytes: readonly number[]) => bytes.reduce((all, one) => all + one, 0);
const part = () => `${to}.t2i.incomplete`;
const leave = (path: string, bytes: Buffer) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
};
const ranges = () => fake.requests.map(({ headers }) => headers.range);
async function expectFetched(more: Partial<Download> = {}): Promise<void> {
  expect(await download(task(more))).toBe(true);
  expect(readFileSync(to).equals(WHOLE)).toBe(true);
  expect(existsSync(part())).toBe(false);
  expect(sum(told)).toBe(WHOLE.length);
}

describe('a file of the Hub', () => {
  it('is fetched in one go where nothing goes wrong', async () => {
    await expectFetched({ wait: async () => expect.fail('it was asked for twice') });
    expect(ranges()).toEqual([undefined]);
  });

  it('goes on with what is there', async () => {
    leave(part(), WHOLE.subarray(0, 4000));
    await expectFetched();
    expect(told[0]).toBe(4000);
    expect(ranges()).toEqual(['bytes=4000-']);
  });

  it('is not asked for where all of it came before', async () => {
    leave(part(), WHOLE);
    await expectFetched();
    expect(ranges()).toEqual([]);
  });

  it.each([
    ['whose start is damaged', ranged, 2],
    ['of a server that knows no ranges', FAULTS.bytes(WHOLE), 1],
    ['of a server without that range', FAULTS.status(416), 2],
  ])('%s begins anew, and what came is counted once', async (_, fault, asked) => {
    leave(part(), Buffer.alloc(4000, 'x'));
    fake.fail(/./, fault);
    await expectFetched();
    expect(ranges()).toHaveLength(asked);
  });

  it('is asked for again after trouble', async () => {
    fake.fail(/./, FAULTS.status(503), 2);
    await expectFetched();
  });

  it('may come without a length, and encoded', async () => {
    fake.fail(/./, chunked(WHOLE));
    await expectFetched();
    rmSync(to);
    told = [];
    fake.fail(/./, (response) => answer(response, 200, gzipSync(WHOLE), { 'content-encoding': 'gzip' }));
    await expectFetched();
  });

  it('that ends early without saying so goes on from there', async () => {
    fake.fail(/./, chunked(WHOLE.subarray(0, 6000)));
    await expectFetched();
    expect(ranges()).toEqual([undefined, 'bytes=6000-']);
  });

  it('that ends early each time is given up, and what came is kept', async () => {
    leave(part(), WHOLE.subarray(0, 4000));
    fake.fail(/./, (response) => void response.writeHead(206, { 'content-range': 'bytes 4000-' }).end(), 9);
    await expect(download(task())).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringContaining('only 4000 of 10000 bytes came'),
      hint: expect.stringContaining('goes on where it stopped'),
    });
    expect([existsSync(to), existsSync(part())]).toEqual([false, true]);
  });

  it.each([
    ['more than was announced', chunked(Buffer.concat([WHOLE, WHOLE])), /received more/],
    ['another length', FAULTS.bytes(WHOLE.subarray(1)), /expected 10000 bytes, offered 9999/],
    ['other bytes', FAULTS.bytes(Buffer.alloc(WHOLE.length)), /received another hash/],
  ])('with %s is refused and not kept', async (_, fault, message) => {
    fake.fail(/./, fault, 9);
    await expect(download(task())).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(message),
      hint: expect.stringContaining(new URL(fake.url).host),
    });
    expect([existsSync(to), existsSync(part())]).toEqual([false, false]);
  });

  it.each([
    [{ 'content-range': 'bytes 5-9999/10000' }, /from 4000, offered those from 5$/],
    [{ 'content-range': 'no bytes 4000-9999/10000' }, /from nowhere$/],
    [{}, /from nowhere$/],
  ])('of another range is refused: %j', async (headers, message) => {
    leave(part(), WHOLE.subarray(0, 4000));
    fake.fail(/./, (response) => answer(response, 206, WHOLE.subarray(4000), headers as Record<string, string>), 9);
    await expect(download(task())).rejects.toMatchObject({
      code: 'DOWNLOAD_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('may be larger than any answer that is read at once', async () => {
    const large = Buffer.alloc(33 * 2 ** 20);
    fake.fail(/./, FAULTS.bytes(large));
    expect(await download(task({ file: fileOf(large) }))).toBe(true);
  });
});

describe('a file of the Hub that is there', () => {
  it('is counted, and is not waited for', async () => {
    leave(to, WHOLE);
    const { lock } = task();
    mkdirSync(dirname(lock));
    await withFileLock(lock, { signal, onWait: () => {} }, async () => {
      expect(await download(task())).toBe(false);
    });
    expect([sum(told), ranges()]).toEqual([WHOLE.length, []]);
  });

  it('is fetched once where two want it at once, and counted by both', async () => {
    const others: number[] = [];
    const both = [download(task()), download(task({ onBytes: (bytes) => others.push(bytes) }))];
    expect((await Promise.all(both)).sort()).toEqual([false, true]);
    expect([sum(told), sum(others), ranges()]).toEqual([WHOLE.length, WHOLE.length, [undefined]]);
  });

  it('is fetched again where it has another size, or is read and holds other bytes', async () => {
    leave(to, WHOLE.subarray(1));
    await expectFetched();
    leave(to, Buffer.alloc(WHOLE.length));
    expect(await download(task())).toBe(false);
    told = [];
    await expectFetched({ verify: true });
    expect(await download(task({ verify: true }))).toBe(false);
  });
});

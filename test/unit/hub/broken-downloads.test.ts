import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../../src/hub/partial-file.js';
import type { PullProgress } from '../../../src/hub/pull.js';
import { FAULTS, type Fault } from '../../support/fake-server.js';
import {
  at,
  blobs,
  expectWhole,
  folder,
  freshHub,
  leavePart,
  OBJECT,
  partOf,
  pull,
  sha256,
  WEIGHTS,
} from './pulling.js';

freshHub();

describe('a download that breaks off', () => {
  it('goes on with what came, in the same run', async () => {
    at.hub.objects.fail(OBJECT, cutRange(WEIGHTS, 100_000));
    const { dir } = await pull();
    expect(at.hub.objects.asked(OBJECT).map(({ headers }) => headers.range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]/),
    ]);
    await expectWhole(dir);
    expect(readFileSync(join(dir, 'unet/model.weights')).equals(WEIGHTS)).toBe(true);
  });

  it('goes on as long as something comes each time', async () => {
    for (let time = 0; time < 8; time++) at.hub.objects.fail(OBJECT, cutRange(WEIGHTS, 30_000));
    await pull();
    expect(at.hub.objects.asked(OBJECT)).toHaveLength(9);
  });

  it('is given up where nothing comes, and the next run goes on', async () => {
    at.hub.objects.fail(OBJECT, cutRange(WEIGHTS, 100_000));
    at.hub.objects.fail(OBJECT, FAULTS.status(503), 100);
    await expect(pull()).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(blobs()).not.toContain(sha256(WEIGHTS));
    const before = at.hub.objects.requests.length;
    at.hub.objects.stopFailing();
    await expectWhole((await pull()).dir);
    expect(at.hub.objects.requests.slice(before).map(({ headers }) => headers.range)).toContainEqual(
      expect.stringMatching(/^bytes=[1-9]/),
    );
  });

  it('is taken up by another run, and begun anew where what was left is damaged', async () => {
    leavePart(WEIGHTS.subarray(0, 1234));
    await pull();
    expect(at.hub.objects.asked(OBJECT).map(({ headers }) => headers.range)).toEqual(['bytes=1234-']);
    rmSync(folder(), { recursive: true });
    leavePart(Buffer.alloc(1234, 'x'));
    await expectWhole((await pull()).dir);
    expect(at.hub.objects.asked(OBJECT).map(({ headers }) => headers.range)).toEqual([
      'bytes=1234-',
      'bytes=1234-',
      undefined,
    ]);
  });

  it.each([
    ['ignores ranges', FAULTS.bytes(WEIGHTS), 1],
    ['has no such range', FAULTS.status(416), 2],
  ])('begins anew where the server %s', async (_, fault, times) => {
    leavePart(WEIGHTS.subarray(0, 1234));
    at.hub.objects.fail(OBJECT, fault);
    const told: PullProgress[] = [];
    const { bytes } = await pull('tester/flowers', { onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)?.bytes).toBe(bytes);
    expect(at.hub.objects.asked(OBJECT)).toHaveLength(times);
  });

  it('ends with the reason of its signal, and keeps what came', async () => {
    const controller = new AbortController();
    at.hub.objects.fail(OBJECT, (response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 200_000));
    });
    const onProgress = ({ bytes }: PullProgress) => bytes > 150_000 && controller.abort('stop');
    await expect(pull('tester/flowers', { signal: controller.signal, onProgress })).rejects.toBe('stop');
    const left = statSync(partOf(WEIGHTS)).size;
    expect(left).toBeGreaterThan(0);
    await pull();
    expect(at.hub.objects.asked(OBJECT).at(-1)?.headers.range).toBe(`bytes=${left}-`);
  });
});

/** Cuts the connection after some bytes of the range that is asked for, once they are on the disk: what is on its way may be lost. */
function cutRange(content: Buffer, bytes: number): Fault {
  return async (response, { headers }) => {
    const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': content.length - start, ...(start > 0 && range) });
    response.write(content.subarray(start, start + bytes));
    while (((await sizeOf(partOf(content))) ?? 0) < start + bytes) await setImmediate();
    response.destroy();
  };
}

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { promote } from '../../../../src/ops/promotion/promote.js';
import { rollback } from '../../../../src/ops/promotion/rollback.js';
import { S3SharedPlace } from '../../../../src/ops/promotion/shared/s3.js';
import { MemoryBucket } from '../../../support/memory-bucket.js';
import { readPromotedModel, writeRun } from './tiny-runs.js';

const { signal } = new AbortController();
const RECORD = 'promoted/promotion.json';
const recordOf = (bytes: Buffer) => ({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });

let s3: MemoryBucket;
let store: S3Store;
let place: S3SharedPlace;
let root: string;
let told: string[];
beforeEach(async () => {
  [s3, told] = [new MemoryBucket(), []];
  root = mkdtempSync(join(tmpdir(), 't2i-s3-place-'));
  store = await s3.store();
  place = new S3SharedPlace(store, { bucket: 'flowers', key: 'promoted' }, (doing, { bytes }) =>
    told.push(`${doing} ${bytes}`),
  );
});
afterEach(() => {
  store.close();
  rmSync(root, { recursive: true });
});

describe('the record in S3', () => {
  const conflict = { code: 'REMOTE_CONFLICT' };

  it('is none until one is written, and is written where none is or the one that was read', async () => {
    expect(place.address).toBe(`s3://flowers/${RECORD}`);
    expect(await place.readRecord(signal)).toBeNull();
    await expect(place.writeRecord('early', '"0"', signal)).rejects.toMatchObject(conflict);
    await place.writeRecord('first', null, signal);
    expect(s3.objects.get(RECORD)?.body.toString()).toBe('first');
    await expect(place.writeRecord('again', null, signal)).rejects.toMatchObject(conflict);
    const first = await place.readRecord(signal);
    expect(first).toEqual({ text: 'first', tag: expect.any(String) });
    await place.writeRecord('second', first?.tag as string, signal);
    await expect(place.writeRecord('third', first?.tag as string, signal)).rejects.toMatchObject(conflict);
    expect(await place.readRecord(signal)).toMatchObject({ text: 'second' });
  });

  it('is not taken for none where the bucket is missing, or nobody may read it', async () => {
    const elsewhere = new S3SharedPlace(store, { bucket: 'trees', key: 'promoted' });
    await expect(elsewhere.readRecord(signal)).rejects.toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: expect.stringContaining('bucket'),
    });
    store.client.send = async () => {
      throw Object.assign(new Error('no'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
    };
    await expect(place.readRecord(signal)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('is refused where the server does not tell which it is, so that it could not be replaced', async () => {
    s3.keeps = (kept) => ({ ...kept, etag: undefined });
    await place.writeRecord('first', null, signal);
    await expect(place.readRecord(signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining(`${place.address} than an object with an ETag`),
      hint: expect.stringContaining('Nothing was promoted'),
    });
  });
});

describe('a file in S3', () => {
  const sent = (content: Buffer) => {
    writeFileSync(join(root, 'sent'), content);
    return place.send(join(root, 'sent'), recordOf(content), signal);
  };

  it.each([0, 7, 300_000])('of %i bytes lies under its content, and comes back', async (bytes) => {
    const content = Buffer.alloc(bytes, 'weights ');
    await sent(content);
    const { sha256 } = recordOf(content);
    expect([...s3.objects.keys()]).toEqual([`promoted/files/${sha256}`]);
    expect(place.addressOf(recordOf(content))).toBe(`s3://flowers/promoted/files/${sha256}`);
    await place.fetch(recordOf(content), join(root, 'below/fetched'), signal);
    expect(readFileSync(join(root, 'below/fetched')).equals(content)).toBe(true);
    expect(told).toEqual([`sending ${bytes}`, `fetching ${bytes}`]);
  });

  it('is not sent again, and not even read', async () => {
    const content = Buffer.from('weights');
    await sent(content);
    rmSync(join(root, 'sent'));
    await place.send(join(root, 'sent'), recordOf(content), signal);
    expect(s3.written).toHaveLength(1);
  });

  it('that is another than its record says is not sent', async () => {
    writeFileSync(join(root, 'sent'), 'Weights');
    await expect(place.send(join(root, 'sent'), recordOf(Buffer.from('weights')), signal)).rejects.toMatchObject({
      code: 'DATA_INVALID',
    });
    expect(s3.objects.size).toBe(0);
  });

  it.each<[string, MemoryBucket['keeps']]>([
    ['loses', () => null],
    ['cuts', (kept) => ({ ...kept, body: kept.body.subarray(1) })],
    ['keeps without its hash', (kept) => ({ ...kept, metadata: undefined })],
    ['keeps under the hash of another', (kept) => ({ ...kept, metadata: { sha256: 'a'.repeat(64) } })],
  ])('that the server %s is told before anything is promoted', async (_, keeps) => {
    s3.keeps = keeps;
    const content = Buffer.from('weights');
    await expect(sent(content)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining(`${place.addressOf(recordOf(content))} than 7 bytes with SHA-256`),
      hint: expect.stringContaining('Nothing was promoted'),
    });
  });

  it('that is missing, or longer than its record says, is not taken', async () => {
    const content = Buffer.from('weights');
    const to = join(root, 'fetched');
    await expect(place.fetch(recordOf(content), to, signal)).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
    await sent(content);
    await expect(place.fetch({ ...recordOf(content), bytes: 6 }, to, signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
    });
    expect(readFileSync(to)).toHaveLength(0);
  });
});

describe('two machines that share a place in S3', () => {
  it('promote into one history, and go back together', async () => {
    const machine = (name: string) => {
      const project = join(root, name);
      const common = { project, target: 'saved_models', keep: 3, signal, shared: place };
      return {
        train: (run: string, loss: number) => writeRun(project, run, loss),
        promote: () => promote({ ...common, minDelta: 0, dryRun: false }),
        back: () => rollback(common),
        weights: () => readPromotedModel(project).weights,
      };
    };
    const [one, other] = [machine('one'), machine('other')];
    one.train('a', 0.5);
    other.train('b', 0.25);
    expect(await one.promote()).toMatchObject({ promoted: true, version: 1 });
    expect(await other.promote()).toMatchObject({ promoted: true, version: 2 });
    expect(await one.promote()).toMatchObject({ promoted: false, version: 2 });
    expect(one.weights()).toBe('weights of b');
    expect(await one.back()).toMatchObject({ version: 1, from: 2 });
    expect(await other.promote()).toMatchObject({ promoted: false, version: 1 });
    expect(other.weights()).toBe('weights of a');
    const { history } = JSON.parse(`${s3.objects.get(RECORD)?.body}`);
    expect(history.map(({ action }: { action: string }) => action)).toEqual(['promoted', 'promoted', 'rolled-back']);
  });
});

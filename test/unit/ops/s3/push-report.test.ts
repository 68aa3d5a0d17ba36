import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { T2IError } from '../../../../src/errors.js';
import { type PushFormat, parseManifest, pushToS3 } from '../../../../src/ops/s3/push.js';
import type { PushProgress } from '../../../../src/ops/transfer/push-folders.js';
import { offlineStore } from '../../../support/offline-store.js';

const { signal } = new AbortController();
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

describe('a push to S3', () => {
  let folder: string;
  /** What lies in the bucket. */
  let objects: Map<string, Buffer>;
  /** Keys that were written, in order, and those that were removed. */
  let written: string[];
  let removed: string[];
  let store: S3Store;
  let refuse: T2IError | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 't2i-push-'));
    [objects, written, removed, refuse] = [new Map(), [], [], undefined];
    const missing = () => new T2IError('REMOTE_NOT_FOUND', 'it is not there', { cause: { name: 'NoSuchKey' } });
    store = Object.assign(await offlineStore(), {
      async head({ key }: { key: string }) {
        const body = objects.get(key);
        return body ? { key, bytes: body.length, etag: undefined, sha256: sha256(body) } : null;
      },
      async read({ key }: { key: string }) {
        if (refuse) throw refuse;
        const body = objects.get(key);
        if (!body) throw missing();
        return { body, etag: `"${sha256(body)}"` };
      },
      async write({ key }: { key: string }, body: Buffer) {
        written.push(key);
        objects.set(key, Buffer.from(body));
      },
      async remove(_: string, keys: readonly string[]) {
        removed.push(...keys);
      },
    });
  });
  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  const write = (files: Record<string, string>) => {
    mkdirSync(join(folder, 'images'), { recursive: true });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  };
  const push = (format: PushFormat = 'shards', shardBytes?: number) => {
    const told: PushProgress[] = [];
    const options = { format, ...(shardBytes && { shardBytes }) };
    const to = { bucket: 'b', key: 'v1' };
    return pushToS3(store, [{ name: 'data', path: folder }], to, options, signal, (progress) =>
      told.push(progress),
    ).then((report) => ({ report, told }));
  };
  const manifest = () => parseManifest(`${objects.get('v1/manifest.json')}`);

  it('tells what it sends, and all that lies there then', async () => {
    write({ 'images/a.png': 'aaa', 'images/b.png': 'bbbbb', 'c.txt': '' });
    const { report, told } = await push('files');
    expect(report).toEqual({
      ...{ target: 's3://b/v1', files: 3, bytes: 8, copied: 3 },
      manifest_sha256: sha256(objects.get('v1/manifest.json') as Buffer),
    });
    expect(told).toEqual([0, 1, 2, 3].map((done) => ({ done, total: 3 })));
    expect(written).toEqual(['v1/data/c.txt', 'v1/data/images/a.png', 'v1/data/images/b.png', 'v1/manifest.json']);
    expect(manifest()?.files['data/images/b.png']).toEqual({
      ...{ bytes: 5, sha256: sha256('bbbbb'), archive: 'data/images/b.png' },
    });
    expect(objects.get('v1/data/c.txt')).toEqual(Buffer.alloc(0));
  });

  it('writes nothing where all is there, and removes what the manifest before named alone', async () => {
    write({ 'images/a.png': 'aaa', 'images/b.png': 'bbbbb' });
    await push('files');
    written = [];
    expect((await push('files')).report).toMatchObject({ files: 2, copied: 0 });
    expect([written, removed]).toEqual([[], []]);
    rmSync(join(folder, 'images/b.png'));
    await push('files');
    expect([written, removed]).toEqual([['v1/manifest.json'], ['v1/data/images/b.png']]);
  });

  it.each(['shards', 'zip'] as const)('of nothing leaves a manifest of nothing: %s', async (format) => {
    expect((await push(format)).report).toMatchObject({ files: 0, bytes: 0, copied: 0 });
    expect([written, manifest()]).toEqual([
      ['v1/manifest.json'],
      { formatVersion: 1, format, archives: {}, files: {} },
    ]);
  });

  it('lists in a zip what it holds, files without a byte too', async () => {
    write({ 'images/a.png': 'aaa', 'empty.txt': '' });
    await push('zip');
    const [key] = Object.keys(manifest()?.archives ?? {});
    const zip = `${objects.get(`v1/${key}`)?.toString('latin1')}`;
    const list = { formatVersion: 1, files: {} as Record<string, object> };
    list.files['data/empty.txt'] = { sha256: sha256(''), bytes: 0 };
    list.files['data/images/a.png'] = { sha256: sha256('aaa'), bytes: 3 };
    expect(zip).toContain(JSON.stringify(list, null, 1));
  });

  it('opens no shard for files that do not fill the one before', async () => {
    write({ 'a.txt': '', 'b.txt': 'twelve bytes', 'c.txt': 'four' });
    await push('shards', 10);
    const shards = Object.values(manifest()?.files ?? {}).map(({ archive }) => archive);
    expect(shards[0]).toBe(shards[1]);
    expect(shards[2]).not.toBe(shards[1]);
    expect(Object.keys(manifest()?.archives ?? {})).toHaveLength(2);
  });

  it.each(['no JSON', '{"formatVersion": 2}', '[]'])('replaces a manifest that it cannot read: %s', async (text) => {
    objects.set('v1/manifest.json', Buffer.from(text));
    write({ 'a.txt': 'a' });
    await push();
    expect(manifest()?.files).toHaveProperty(['data/a.txt']);
    expect(removed).toEqual([]);
  });

  it('hashes nothing where it may not see what lies there', async () => {
    refuse = new T2IError('ACCESS_DENIED', 'no');
    write({ 'a.txt': 'a' });
    await expect(push()).rejects.toBe(refuse);
    expect(written).toEqual([]);
  });
});

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { S3Store } from '../../../../src/aws/s3-store.js';
import { hashSegments } from '../../../../src/ops/archive/segments.js';
import { awsSettings } from '../../../../src/ops/aws-settings.js';
import { type PushFormat, pushToS3 } from '../../../../src/ops/s3/push.js';
import { upload } from '../../../../src/ops/s3/upload.js';
import { CANARIES, type Moto, OPS, startMoto } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';

const signal = new AbortController().signal;
const MIB = 2 ** 20;
const address = { bucket: 'my-bucket', key: 'data/v1' };

describe('a push to S3', skipFor(OPS.lack), () => {
  let moto: Moto;
  let store: S3Store;
  let project: string;

  beforeAll(async () => {
    moto = await startMoto();
    store = await S3Store.open(await awsSettings('/nowhere', moto.env));
  });
  afterAll(async () => {
    store.close();
    await moto.close();
  });
  beforeEach(async () => {
    await moto.reset('my-bucket');
    project = mkdtempSync(join(tmpdir(), 't2i-s3-'));
    for (let at = 0; at < 6; at++) write(`raw/images/${at}.png`, `image ${at}`.repeat(100));
    write('raw/captions/0.txt', 'a red flower');
    write('raw/captions/empty.txt', '');
    write(`raw/images/${'long-name-'.repeat(12)}ä.png`, 'image');
  });
  afterEach(() => rmSync(project, { recursive: true }));

  const write = (path: string, text: string | Buffer) => {
    mkdirSync(join(project, path, '..'), { recursive: true });
    writeFileSync(join(project, path), text);
  };
  const push = (format: PushFormat = 'shards', shardBytes = 1500) =>
    pushToS3(store, [{ name: 'data/raw', path: join(project, 'raw') }], address, { format, shardBytes }, signal);
  const keys = async () => {
    const { Contents = [] } = await moto.s3.send(new ListObjectsV2Command({ Bucket: 'my-bucket' }));
    return Contents.map(({ Key }) => (Key as string).slice('data/v1/'.length)).sort();
  };
  const read = async (key: string) => {
    const { Body } = await moto.s3.send(new GetObjectCommand({ Bucket: 'my-bucket', Key: `data/v1/${key}` }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  const manifest = async () => JSON.parse((await read('manifest.json')).toString());
  const shards = async () => (await keys()).filter((key) => key.startsWith('shards/'));

  it('packs the files into shards that tar unpacks, and lists them by their hashes', async () => {
    expect(await push()).toMatchObject({ target: 's3://my-bucket/data/v1', files: 9, copied: 9 });
    const { files, archives } = await manifest();
    const out = join(project, 'out');
    mkdirSync(out);
    expect(Object.keys(archives).length).toBeGreaterThan(2);
    for (const [key, { sha256 }] of Object.entries<{ sha256: string }>(archives)) {
      const body = await read(key);
      expect(key).toBe(`shards/${sha256}.tar`);
      expect(createHash('sha256').update(body).digest('hex')).toBe(sha256);
      execFileSync('tar', ['-x', '-C', out], { input: body });
    }
    expect(Object.keys(files).length).toBe(9);
    for (const path of Object.keys(files))
      expect(readFileSync(join(out, path))).toEqual(readFileSync(join(project, path.slice('data/'.length))));
  });

  it('fills each shard up to its size, which a file that is larger has for itself', async () => {
    rmSync(join(project, 'raw'), { recursive: true });
    for (const [name, bytes] of Object.entries({ a: 3000, b: 500, c: 500, d: 499, e: 502, f: 0, g: 3000, h: 1 }))
      write(`raw/${name}`, Buffer.alloc(bytes, name));
    await push('shards', 1000);
    const inside = (await shards()).map(async (key) =>
      execFileSync('tar', ['-t'], { input: await read(key), encoding: 'utf8' })
        .match(/[a-h]$/gm)
        ?.join(''),
    );
    expect((await Promise.all(inside)).sort()).toEqual(['a', 'bc', 'd', 'ef', 'g', 'h']);
  });

  it('sends what changed alone, and removes what nothing names any more', async () => {
    const first = await push();
    const before = await shards();
    expect(await push()).toEqual({ ...first, copied: 0 });
    write('raw/images/5.png', 'another');
    const second = await push();
    expect(second.copied).toBeGreaterThan(0);
    expect(second.copied).toBeLessThan(9);
    expect(second.manifest_sha256).not.toBe(first.manifest_sha256);
    expect(await shards()).toEqual(Object.keys((await manifest()).archives).sort());
    expect((await shards()).filter((key) => !before.includes(key)).length).toBe(1);
  });

  it('keeps the old manifest and all that it names where it is stopped', async () => {
    await push();
    const before = await keys();
    write('raw/images/5.png', 'another');
    const stop = new AbortController();
    const pushing = pushToS3(
      store,
      [{ name: 'data/raw', path: join(project, 'raw') }],
      address,
      { format: 'shards', shardBytes: 1500 },
      stop.signal,
      ({ done }) => done > 2 && stop.abort('stop'),
    );
    await expect(pushing).rejects.toBe('stop');
    expect(await keys()).toEqual(expect.arrayContaining(before));
    expect(Object.keys((await manifest()).archives).every((key) => before.includes(key))).toBe(true);
  });

  it('refuses to replace the manifest of another push that was faster', async () => {
    await push();
    write('raw/images/5.png', 'another');
    let other: Promise<unknown> | undefined;
    const mine = pushToS3(
      store,
      [{ name: 'data/raw', path: join(project, 'raw') }],
      address,
      { format: 'shards' },
      signal,
      ({ done }) => {
        if (done === 0)
          other = store.write(
            { ...address, key: `${address.key}/manifest.json` },
            Buffer.from('{}'),
            createHash('sha256').update('{}').digest('hex'),
            signal,
          );
      },
    );
    await expect(mine).rejects.toMatchObject({ code: 'REMOTE_CONFLICT' });
    await other;
    expect((await read('manifest.json')).toString()).toBe('{}');
  });

  it.each<PushFormat>(['shards', 'zip', 'files'])(
    'refuses %s of a file that changes, whenever it does',
    async (format) => {
      await push(format);
      const before = await manifest();
      const raw = { name: 'data/raw', path: join(project, 'raw') };
      // One that is missing is left out; what was before it is hashed by then.
      const later = {
        name: 'later',
        get path() {
          write('raw/images/5.png', 'IMAGE 5'.repeat(100));
          return '/nowhere';
        },
      };
      const changed = { code: 'DATA_INVALID', message: expect.stringContaining('changed while it was read') };
      const pushed = pushToS3(store, [raw, later], address, { format }, signal);
      // A file that is an object of its own is read once: it is pushed as it was.
      if (format === 'files') await pushed;
      else await expect(pushed).rejects.toMatchObject(changed);
      expect(await manifest()).toEqual(before);
      const onProgress = () => write('raw/images/5.png', 'images!'.repeat(100));
      await expect(pushToS3(store, [raw], address, { format }, signal, onProgress)).rejects.toMatchObject(changed);
      expect(await manifest()).toEqual(before);
    },
  );

  it('makes one zip that the trainer unpacks', async () => {
    await push('zip');
    const [zip = ''] = (await keys()).filter((key) => key.endsWith('.zip'));
    expect(zip).toMatch(/^raw-[0-9a-f]{16}\.zip$/);
    const file = join(project, 'flowers.zip');
    writeFileSync(file, await read(zip));
    const listed = execFileSync(OPS.python, ['-m', 'zipfile', '-t', file], { encoding: 'utf8' });
    expect(listed).toContain('Done testing');
    execFileSync(OPS.python, ['-m', 'zipfile', '-e', file, join(project, 'out')]);
    expect(readFileSync(join(project, 'out/data/raw/captions/0.txt'), 'utf8')).toBe('a red flower');
    expect(Object.keys(JSON.parse(readFileSync(join(project, 'out/t2i-pack.json'), 'utf8')).files).length).toBe(9);
  });

  it('puts a model there file by file', async () => {
    await push('files');
    expect((await read('data/raw/captions/0.txt')).toString()).toBe('a red flower');
    write('raw/captions/0.txt', 'a blue flower');
    expect(await push('files')).toMatchObject({ copied: 1 });
    expect((await read('data/raw/captions/0.txt')).toString()).toBe('a blue flower');
  });

  describe('of a large archive', () => {
    const target = { bucket: 'my-bucket', key: '' };
    const unfinished = async () =>
      (await moto.s3.send(new ListMultipartUploadsCommand({ Bucket: 'my-bucket' }))).Uploads ?? [];
    const large = async () => {
      write('large.bin', randomBytes(17 * MIB));
      const segments = [Buffer.from('head'), { path: join(project, 'large.bin'), bytes: 17 * MIB }];
      const sha256 = await hashSegments(segments, signal);
      return { segments, sha256, to: { ...target, key: `${sha256}.bin` } };
    };
    const body = async (key: string) => {
      const { Body } = await moto.s3.send(new GetObjectCommand({ Bucket: 'my-bucket', Key: key }));
      return createHash('sha256')
        .update((await Body?.transformToByteArray()) ?? '')
        .digest('hex');
    };

    it('goes on with the parts that are there', async () => {
      const { segments, sha256, to } = await large();
      const stop = new AbortController();
      const onBytes = () => stop.abort('stop');
      const options = { sha256, partBytes: 5 * MIB };
      await expect(upload(store, to, segments, { ...options, onBytes }, stop.signal)).rejects.toBe('stop');
      expect((await unfinished()).length).toBe(1);
      let sent = 0;
      const count = (bytes: number) => {
        sent += bytes;
      };
      expect(await upload(store, to, segments, { ...options, onBytes: count }, signal)).toBe(true);
      // What was on its way when it was stopped may have arrived, too.
      expect(sent).toBeLessThan(17 * MIB);
      expect(await body(to.key)).toBe(sha256);
      expect(await unfinished()).toEqual([]);
      expect(await upload(store, to, segments, options, signal)).toBe(false);
    });

    it('refuses files that changed since they were hashed, and leaves nothing there', async () => {
      const { segments, sha256, to } = await large();
      const file = readFileSync(join(project, 'large.bin'));
      file.writeUInt8(file.readUInt8(16 * MIB) ^ 1, 16 * MIB);
      write('large.bin', file);
      const changed = { code: 'DATA_INVALID', message: expect.stringContaining('changed while it was read') };
      await expect(upload(store, to, segments, { sha256, partBytes: 5 * MIB }, signal)).rejects.toMatchObject(changed);
      write('large.bin', file.subarray(0, 9 * MIB));
      await expect(upload(store, to, segments, { sha256, partBytes: 5 * MIB }, signal)).rejects.toMatchObject(changed);
      await expect(store.head(to, signal)).resolves.toBeNull();
    });
  });

  it('tells a missing bucket, and no secret with it', async () => {
    const missing = pushToS3(store, [], { bucket: 'no-such-bucket', key: 'x' }, { format: 'shards' }, signal);
    const error = await missing.catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: expect.stringContaining('s3://no-such-bucket/x/manifest.json: the bucket does not exist'),
    });
    for (const canary of CANARIES)
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(canary);
  });
});

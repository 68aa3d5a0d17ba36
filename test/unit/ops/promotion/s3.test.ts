import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { S3Store } from '../../../../src/aws/s3-store.js';
import { main } from '../../../../src/cli/main.js';
import { awsSettings } from '../../../../src/ops/aws-settings.js';
import { S3SharedPlace } from '../../../../src/ops/promotion/shared/s3.js';
import { fakeIo } from '../../../support/fake-io.js';
import { answer, FAULTS, FakeServer } from '../../../support/fake-server.js';
import { CANARIES, type Moto, OPS, startMoto } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';
import { expectNeverWorse, readPromotedModel, writeRun } from './tiny-runs.js';

const Bucket = 'my-bucket';
const PREFIX = { bucket: Bucket, key: 'models/flowers' };
const { signal } = new AbortController();
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const recordOf = (bytes: Buffer) => ({ bytes: bytes.length, sha256: sha256(bytes) });

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 't2i-s3-promotion-'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('a promotion that is shared in S3', skipFor(OPS.lack), () => {
  let moto: Moto;
  let store: S3Store;
  let place: S3SharedPlace;
  beforeAll(async () => {
    moto = await startMoto();
    store = await S3Store.open(await awsSettings('/nowhere', moto.env));
    place = new S3SharedPlace(store, PREFIX);
  });
  afterAll(async () => {
    store.close();
    await moto.close();
  });
  beforeEach(async () => {
    await moto.reset(Bucket);
  });

  const project = (name: string, params = 'log_trained_model: {remote: s3://my-bucket/models/flowers}') => {
    const folder = join(root, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'params.yaml'), params);
    return folder;
  };
  const t2i = async (cwd: string, line: string, env: Record<string, string> = moto.env) => {
    const io = fakeIo({ cwd, env });
    const code = await main(line.split(' '), io);
    return { code, out: io.out(), text: io.out() + io.err() };
  };
  const history = async () => {
    const { Body } = await moto.s3.send(new GetObjectCommand({ Bucket, Key: 'models/flowers/promotion.json' }));
    return JSON.parse((await Body?.transformToString()) ?? '').history;
  };

  describe('its place', () => {
    it('writes the record where none is, or the one that was read is, and nowhere else', async () => {
      const write = (text: string, only: string | null) => place.writeRecord(text, only, signal);
      const conflict = { code: 'REMOTE_CONFLICT' };
      expect(await place.readRecord(signal)).toBe(null);
      await expect(write('x', '"0123"')).rejects.toMatchObject({ code: expect.stringMatching(/^REMOTE_/) });
      await write('first', null);
      await expect(write('again', null)).rejects.toMatchObject(conflict);
      const first = await place.readRecord(signal);
      await write('second', first?.tag as string);
      await expect(write('third', first?.tag as string)).rejects.toMatchObject(conflict);
      expect(await place.readRecord(signal)).toMatchObject({ text: 'second' });
    });

    it.each([0, 7, 6 * 2 ** 20])('keeps a file of %i bytes by its content, and gives it back', async (bytes) => {
      const content = Buffer.alloc(bytes, 'weights ');
      const [path, back] = [join(root, 'sent'), join(root, 'fetched')];
      writeFileSync(path, content);
      await place.send(path, recordOf(content), signal);
      await place.fetch(recordOf(content), back, signal);
      expect(readFileSync(back).equals(content)).toBe(true);
      expect(place.addressOf(recordOf(content))).toBe(`s3://my-bucket/models/flowers/files/${sha256(content)}`);
    });

    it('sends nothing that is there, and replaces what only has its name', async () => {
      const content = Buffer.from('weights');
      writeFileSync(join(root, 'sent'), content);
      const Key = `models/flowers/files/${sha256(content)}`;
      await moto.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'half' }));
      await place.send(join(root, 'sent'), recordOf(content), signal);
      await place.fetch(recordOf(content), join(root, 'fetched'), signal);
      expect(readFileSync(join(root, 'fetched'), 'utf8')).toBe('weights');
      rmSync(join(root, 'sent'));
      await place.send(join(root, 'sent'), recordOf(content), signal);
    });
  });

  it('has one history of what two machines promote at once, the better model, and no secret in anything', async () => {
    const [one, other] = [project('one'), project('other')];
    for (let round = 0; round < 4; round++) {
      writeRun(one, `one-${round}`, 0.9 - 0.1 * round);
      writeRun(other, `other-${round}`, 0.85 - 0.1 * round);
      const outcomes = await Promise.all([one, other].map((each) => t2i(each, 'promote --json')));
      for (const { code, text } of outcomes) expect(code, text).toBe(0);
      expect((await history()).at(-1).model.run_name).toBe(`other-${round}`);
    }
    const entries = await history();
    expectNeverWorse(entries);
    expect(entries.map(({ model }: { model: { version: number } }) => model.version)).toEqual(
      entries.map((_: unknown, at: number) => at + 1),
    );
    const { text } = await t2i(one, 'promote');
    expect(readPromotedModel(one)).toEqual(readPromotedModel(other));
    expect(await t2i(other, 'rollback')).toMatchObject({ code: 0 });
    const told = await t2i(one, 'history');
    expect(told.out).toMatch(new RegExp(`^${entries.length - 1} \\* .*rolled back`, 'm'));
    expect(told.text).toContain(`note: version ${entries.length} is promoted here: t2i promote`);
    const { Contents = [] } = await moto.s3.send(new ListObjectsV2Command({ Bucket }));
    const objects = Contents.map(async ({ Key }) => {
      const { Body } = await moto.s3.send(new GetObjectCommand({ Bucket, Key }));
      return Body?.transformToString() as Promise<string>;
    });
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const all = [
      ...(await Promise.all(objects)),
      ...files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1')),
      ...[text, told.text],
    ].join('\n');
    for (const secret of CANARIES) expect(all).not.toContain(secret);
  });

  it('says that another machine promoted what is promoted here now', async () => {
    const [one, other] = [project('one'), project('other')];
    writeRun(one, 'a', 0.5);
    await t2i(one, 'promote');
    const { code, text } = await t2i(other, 'promote');
    expect(code).toBe(0);
    expect(text).toContain('note: version 1, a, was promoted by another machine, and is promoted here now');
    expect(text).toContain('not promoted: a, loss 0.5: it is what is promoted, and no run is here');
    expect((await t2i(other, 'history')).out).toMatch(/^1 \* .*promoted +a +0\.5/m);
  });

  it('stops at a damaged record, a missing bucket, missing credentials and an address that is none', async () => {
    const one = project('one');
    writeRun(one, 'a', 0.5);
    const { AWS_ENDPOINT_URL = '', AWS_REGION = '' } = moto.env;
    const nobody = { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID: '', AWS_EC2_METADATA_DISABLED: 'true' };
    const Key = 'models/flowers/promotion.json';
    await moto.s3.send(new PutObjectCommand({ Bucket, Key, Body: '{"formatVersion":1,' }));
    expect(await t2i(one, 'promote')).toMatchObject({
      code: 1,
      text: expect.stringContaining(`s3://my-bucket/${Key} is damaged`),
    });
    await moto.s3.send(new DeleteObjectCommand({ Bucket, Key }));
    const elsewhere = project('elsewhere', 'log_trained_model: {remote: s3://no-such-bucket/models}');
    writeRun(elsewhere, 'a', 0.5);
    expect(await t2i(elsewhere, 'promote')).toMatchObject({
      code: 5,
      text: expect.stringContaining('the bucket does not exist'),
    });
    expect(await t2i(one, 'promote', nobody)).toMatchObject({
      code: 5,
      text: expect.stringContaining('there are no AWS credentials'),
    });
    const wrong = project('wrong', 'log_trained_model: {remote: s3://my-bucket}');
    expect(await t2i(wrong, 'promote')).toMatchObject({
      code: 2,
      text: expect.stringMatching(/log_trained_model\.remote: .*no prefix after the bucket/),
    });
    for (const each of [one, elsewhere, wrong]) expect(readdirSync(each)).not.toContain('saved_models');
  });
});

describe('a file that is fetched from S3', () => {
  const content = Buffer.alloc(300_000, 'weights ');
  let server: FakeServer;
  let place: S3SharedPlace;
  let store: S3Store;
  beforeEach(async () => {
    server = await FakeServer.start(({ headers }, response) => {
      const start = Number(/bytes=(\d+)-/.exec(`${headers.range}`)?.[1] ?? 0);
      const range = `bytes ${start}-${content.length - 1}/${content.length}`;
      response.writeHead(start > 0 ? 206 : 200, {
        'content-length': content.length - start,
        ...(start > 0 && { 'content-range': range }),
      });
      response.end(content.subarray(start));
    });
    const env = {
      AWS_ENDPOINT_URL: server.url,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
    };
    store = await S3Store.open(await awsSettings('/nowhere', env));
    place = new S3SharedPlace(store, PREFIX);
  });
  afterEach(async () => {
    store.close();
    await server.close();
  });
  const ranges = () => server.requests.map(({ headers }) => headers.range);
  /** Breaks the connection off once so many bytes arrived. */
  const cut =
    (bytes: number): Parameters<FakeServer['fail']>[1] =>
    async (response, { headers }) => {
      const start = Number(/bytes=(\d+)-/.exec(`${headers.range}`)?.[1] ?? 0);
      response.writeHead(200, { 'content-length': content.length - start });
      response.flushHeaders();
      response.write(content.subarray(start, start + bytes));
      await expect.poll(() => statSync(join(root, 'file')).size).toBe(start + bytes);
      response.destroy();
    };

  it('goes on where the connection broke off', async () => {
    server.fail(/GET/, cut(100_000), 2);
    await place.fetch(recordOf(content), join(root, 'file'), signal);
    expect(readFileSync(join(root, 'file')).equals(content)).toBe(true);
    expect(ranges()).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  });

  it('is given up where nothing comes', async () => {
    server.fail(/GET/, cut(0), 100);
    await expect(place.fetch(recordOf(content), join(root, 'file'), signal)).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
    });
  });

  it('of another size is not taken', async () => {
    const record = { ...recordOf(content), bytes: 10 };
    await expect(place.fetch(record, join(root, 'file'), signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining(place.addressOf(record)),
    });
    expect(readFileSync(join(root, 'file'))).toHaveLength(0);
  });

  it('that was sent and is another there is told', async () => {
    writeFileSync(join(root, 'file'), content);
    server.fail(/HEAD/, FAULTS.status(404));
    server.fail(/HEAD/, (response) => {
      response.writeHead(200, { 'content-length': 5, 'x-amz-meta-sha256': sha256(content) });
      response.end();
    });
    server.fail(/PUT/, (response) => answer(response, 200));
    await expect(place.send(join(root, 'file'), recordOf(content), signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
    });
  });
});

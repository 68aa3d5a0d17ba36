import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { S3Store } from '../../../../src/aws/s3-store.js';
import { awsSettings } from '../../../../src/ops/aws-settings.js';
import { Artifacts } from '../../../../src/ops/mlflow/artifacts.js';
import type { MlflowRun } from '../../../../src/ops/mlflow/runs.js';
import { MlflowServer } from '../../../../src/ops/mlflow/server.js';
import { type Moto, OPS, startMoto } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';

const Bucket = 'my-bucket';
const FOLDER = 'tracked/1/r1/artifacts';
const WEIGHTS = Buffer.from('weights '.repeat(20_000));
const record = { bytes: WEIGHTS.length, sha256: createHash('sha256').update(WEIGHTS).digest('hex') };
const { signal } = new AbortController();
/** Nobody answers there: what is in S3 is asked of S3 alone. */
const server = new MlflowServer({ address: 'http://127.0.0.1:9', env: {} });

describe('the files of a run in S3', skipFor(OPS.lack), () => {
  let moto: Moto;
  let store: S3Store;
  let artifacts: Artifacts;
  let folder: string;
  beforeAll(async () => {
    moto = await startMoto();
    store = await S3Store.open(await awsSettings('/nowhere', moto.env));
  });
  afterAll(async () => {
    store.close();
    await moto.close();
  });
  beforeEach(async () => {
    await moto.reset(Bucket);
    const run = { id: 'r1', name: 'first', artifacts: `s3://${Bucket}/${FOLDER}` } as MlflowRun;
    artifacts = await Artifacts.of(server, run, async () => store);
    folder = mkdtempSync(join(tmpdir(), 't2i-s3-artifacts-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const put = (path: string, Body: string | Buffer) =>
    moto.s3.send(new PutObjectCommand({ Bucket, Key: `${FOLDER}/${path}`, Body }));

  it('are those below the folder that was asked for', async () => {
    await put('model/run.json', '{}');
    await put('model/best/unet/weights.bin', WEIGHTS);
    await put('modelled/other', 'x');
    await put('../r2/model/other', 'x');
    expect(await artifacts.list('model', signal)).toEqual([
      { path: 'model/best/unet/weights.bin', bytes: WEIGHTS.length },
      { path: 'model/run.json', bytes: 2 },
    ]);
    expect(await artifacts.read('model/run.json', 2, signal)).toBe('{}');
    await artifacts.download('model/best/unet/weights.bin', join(folder, 'a/weights.bin'), record, signal);
    expect(readFileSync(join(folder, 'a/weights.bin')).equals(WEIGHTS)).toBe(true);
  });

  it('are refused where their names lead elsewhere', async () => {
    await put('model/../../x', 'x');
    const refused = { code: 'REMOTE_REFUSED', message: expect.stringContaining('"model/../../x"') };
    await expect(artifacts.list('model', signal)).rejects.toMatchObject(refused);
    await expect(artifacts.read('model/../../x', 10, signal)).rejects.toMatchObject(refused);
    await expect(artifacts.download('model/../../x', join(folder, 'x'), record, signal)).rejects.toMatchObject(refused);
  });

  it.each([
    ['other bytes', Buffer.alloc(WEIGHTS.length), 'DATA_INVALID'],
    ['too few', WEIGHTS.subarray(1), 'DATA_INVALID'],
    ['too many', Buffer.concat([WEIGHTS, WEIGHTS]), 'REMOTE_REFUSED'],
  ])('with %s are not put in place', async (_, body, code) => {
    await put('model/a', body);
    await expect(artifacts.download('model/a', join(folder, 'a'), record, signal)).rejects.toMatchObject({
      code,
      hint: expect.any(String),
    });
    expect(readdirSync(folder)).not.toContain('a');
  });

  it('that are longer than a record may be are not read', async () => {
    await put('model/run.json', WEIGHTS);
    await expect(artifacts.read('model/run.json', 1000, signal)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `s3://my-bucket/${FOLDER}/model/run.json: expected at most 1000 bytes, received ${WEIGHTS.length}`,
    });
  });

  it('that are missing are told with their address, as a bucket that is', async () => {
    await expect(artifacts.read('model/none', 10, signal)).rejects.toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: expect.stringContaining(`s3://my-bucket/${FOLDER}/model/none`),
    });
    const run = { id: 'r1', name: 'first', artifacts: 's3://no-such-bucket/x' } as MlflowRun;
    const elsewhere = await Artifacts.of(server, run, async () => store);
    await expect(elsewhere.list('model', signal)).rejects.toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: expect.stringContaining('the bucket does not exist'),
    });
  });
});

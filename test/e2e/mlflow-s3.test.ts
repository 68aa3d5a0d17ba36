import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { anything, MlflowServer } from '../../src/ops/mlflow/server.js';
import { fakeIo } from '../support/fake-io.js';
import { ADMIN, RealMlflow } from '../support/mlflow-server.js';
import { CANARIES, type Moto, OPS, startMoto } from '../support/moto.js';
import { skipFor } from '../support/skip-for.js';

const Bucket = 'my-bucket';
const METRIC = 'best_val_diffuser_loss';
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('a real MLflow server whose clients read S3 themselves', skipFor(OPS.lack), () => {
  let folder: string;
  let mlflow: RealMlflow;
  let moto: Moto;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 't2i-mlflow-s3-'));
    moto = await startMoto();
    await moto.makeBucket(Bucket);
    const root = ['--no-serve-artifacts', '--default-artifact-root', `s3://${Bucket}/tracked`];
    mlflow = await RealMlflow.start(OPS.python, folder, root);
  }, 120_000);
  afterAll(async () => {
    mlflow?.stop();
    await moto?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives a project the best run that left its model, each file checked, and no secret in anything', async () => {
    const server = new MlflowServer({ address: mlflow.url, env: ADMIN });
    const post = (path: string, fields: Record<string, string | number>) =>
      server.send('POST', path, fields, anything, false) as Promise<Record<string, unknown>>;
    const { experiment_id } = await post('mlflow/experiments/create', { name: 'Training' });
    const leave = async (name: string, loss: number, weights: Buffer, recorded = weights) => {
      const created = await post('mlflow/runs/create', { experiment_id: experiment_id as string, run_name: name });
      const { run_id, artifact_uri } = (created.run as { info: Record<'run_id' | 'artifact_uri', string> }).info;
      expect(artifact_uri).toBe(`s3://${Bucket}/tracked/${experiment_id}/${run_id}/artifacts`);
      await post('mlflow/runs/log-metric', { run_id, key: METRIC, value: loss, step: 1, timestamp: 1000 });
      await post('mlflow/runs/update', { run_id, status: 'FINISHED', end_time: 2000 });
      const put = (path: string, Body: string | Buffer) => {
        const Key = `${artifact_uri.replace(`s3://${Bucket}/`, '')}/model/${path}`;
        return moto.s3.send(new PutObjectCommand({ Bucket, Key, Body }));
      };
      const files = { 'unet/weights.bin': { bytes: recorded.length, sha256: sha256(recorded) } };
      const record = { best_step: 7, config_hash: 'b'.repeat(64), validation: { validation_set: 'a'.repeat(64) } };
      await put('run.json', JSON.stringify({ ...record, run_name: name, [METRIC]: loss, files }));
      await put('best/unet/weights.bin', weights);
    };
    const project = join(folder, 'flowers');
    mkdirSync(project);
    writeFileSync(join(project, 'params.yaml'), `mlflow: { server_uri: '${mlflow.url}' }\n`);
    // The keys are in .env, as a project's own are.
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, ...env } = moto.env;
    writeFileSync(join(project, '.env'), `AWS_ACCESS_KEY_ID=${id}\nAWS_SECRET_ACCESS_KEY=${key}\n`);
    let told = '';
    const t2i = async (...argv: string[]) => {
      const io = fakeIo({ cwd: project, env: { ...ADMIN, ...env } });
      const code = await main([...argv, '--json'], io);
      told += io.out() + io.err();
      return { code, out: JSON.parse(io.out()) };
    };
    const promoted = () => readFileSync(join(project, 'saved_models/diffuser/unet/weights.bin'), 'utf8');
    const [worse, best] = ['worse ', 'best '].map((word) => Buffer.from(word.repeat(50_000))) as [Buffer, Buffer];

    await leave('worse', 0.5, worse);
    expect((await t2i('promote')).out).toMatchObject({ promoted: true, run: 'worse', version: 1 });
    expect(promoted()).toBe(worse.toString());
    await leave('best', 0.25, best);
    expect((await t2i('promote')).out).toMatchObject({ promoted: true, run: 'best', version: 2 });
    expect(promoted()).toBe(best.toString());
    // Without a copy of it on this machine.
    rmSync(join(project, 'promotions/versions'), { recursive: true });
    expect((await t2i('rollback')).out).toMatchObject({ rolledBack: true, run: 'worse' });
    expect(promoted()).toBe(worse.toString());

    await leave('false', 0.1, Buffer.alloc(1000), Buffer.alloc(1000, 'x'));
    expect(await t2i('promote')).toMatchObject({ code: 1, out: { error: { code: 'DATA_INVALID' } } });
    expect(promoted()).toBe(worse.toString());
    const files = readdirSync(project, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== '.env')
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    for (const secret of [...CANARIES, ADMIN.MLFLOW_TRACKING_PASSWORD]) {
      expect([told, ...files].join('\n')).not.toContain(secret);
    }
  }, 60_000);
});

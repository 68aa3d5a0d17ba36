import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { Artifacts } from '../../src/ops/mlflow/artifacts.js';
import { createVersion, ensureModel, getChampion, listVersions, setChampion } from '../../src/ops/mlflow/registry.js';
import { findExperiment, getRun, type MlflowRun, metricHistory, searchRuns } from '../../src/ops/mlflow/runs.js';
import { anything, MlflowServer } from '../../src/ops/mlflow/server.js';
import { markChampion } from '../../src/ops/promotion/champion.js';
import { fakeIo } from '../support/fake-io.js';
import { ADMIN, RealMlflow } from '../support/mlflow-server.js';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';

const OPS = pythonOf('test/ops/requirements.lock');
const BYTES = Buffer.from('weights '.repeat(50_000));
const signal = new AbortController().signal;
const AUTHORIZATION = { authorization: `Basic ${btoa(`admin:${ADMIN.MLFLOW_TRACKING_PASSWORD}`)}` };
/** Of a run, besides its name, its loss and its files. */
const RECORD = { best_step: 7, config_hash: 'b'.repeat(64), validation: { validation_set: 'a'.repeat(64) } };
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('a real MLflow server', skipFor(OPS.lack), () => {
  let folder: string;
  let mlflow: RealMlflow;
  let server: MlflowServer;
  let experiment: string;
  const runs: string[] = [];
  const post = (path: string, fields: Record<string, string | number>) =>
    server.send('POST', path, fields, anything, false) as Promise<unknown>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 't2i-real-mlflow-'));
    mlflow = await RealMlflow.start(OPS.python, folder);
    server = new MlflowServer({ address: `${mlflow.url}/`, env: ADMIN });
    const made = await post('mlflow/experiments/create', { name: 'Training' });
    experiment = (made as { experiment_id: string }).experiment_id;
    for (const [name, loss, status] of [
      ['worse', 0.5, 'FINISHED'],
      ['best', 1e-5, 'FINISHED'],
      ['none', Number.NaN, 'FINISHED'],
      ['going on', 0, 'RUNNING'],
    ] as const) {
      const { run } = (await post('mlflow/runs/create', { experiment_id: experiment, run_name: name })) as unknown as {
        run: { info: { run_id: string } };
      };
      const id = run.info.run_id;
      runs.push(id);
      for (const [step, value] of [1, loss].entries()) {
        const text = Number.isNaN(value) ? 'NaN' : value;
        await post('mlflow/runs/log-metric', {
          run_id: id,
          key: 'best_val_diffuser_loss',
          value: text,
          step,
          timestamp: 1000 + step,
        });
      }
      if (status === 'FINISHED') await post('mlflow/runs/update', { run_id: id, status, end_time: 2000 });
    }
    const artifacts = `${mlflow.url}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${runs[1]}/artifacts/model/unet/weights.bin`;
    expect((await fetch(artifacts, { method: 'PUT', headers: AUTHORIZATION, body: BYTES })).status).toBe(200);
  }, 120_000);
  afterAll(() => {
    mlflow?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const best = async (): Promise<MlflowRun> => getRun(server, runs[1] as string);

  it('finds an experiment by its name, and its finished runs', async () => {
    expect(await findExperiment(server, 'Training')).toBe(experiment);
    expect(await findExperiment(server, 'Another')).toBeNull();
    const found: MlflowRun[] = [];
    for await (const run of searchRuns(server, { experiment, filter: "attributes.status = 'FINISHED'" }))
      found.push(run);
    const losses = found.map(({ name, metrics }) => [name, metrics.best_val_diffuser_loss]);
    expect(Object.fromEntries(losses)).toEqual({ best: 1e-5, worse: 0.5, none: Number.NaN });
    expect(found[0]).toMatchObject({ status: 'FINISHED', ended: 2000 });
  });

  it('tells every value of a metric', async () => {
    const values: number[] = [];
    for await (const { value } of metricHistory(server, runs[1] as string, 'best_val_diffuser_loss'))
      values.push(value);
    expect(values).toEqual([1, 1e-5]);
  });

  it('lists and hands out files of a run', async () => {
    const artifacts = await Artifacts.of(server, await best(), async () => {
      throw new Error('S3 is opened');
    });
    expect(await artifacts.list('model', signal)).toEqual([{ path: 'model/unet/weights.bin', bytes: BYTES.length }]);
    const record = { bytes: BYTES.length, sha256: sha256(BYTES) };
    const to = join(folder, 'fetched/weights.bin');
    await artifacts.download('model/unet/weights.bin', to, record, signal);
    expect(readFileSync(to).equals(BYTES)).toBe(true);
    await expect(artifacts.download('model/none.bin', `${to}2`, record, signal)).rejects.toMatchObject({
      code: expect.stringMatching(/^(REMOTE_NOT_FOUND|NETWORK_FAILED)$/),
    });
  });

  it('keeps versions of a model, one of them the champion', async () => {
    await ensureModel(server, 'Diffusion');
    await ensureModel(server, 'Diffusion');
    expect(await getChampion(server, 'Diffusion')).toBeNull();
    const { artifacts, id } = await best();
    const versions = [
      await createVersion(server, 'Diffusion', `${artifacts}/model`, id),
      await createVersion(server, 'Diffusion', `${artifacts}/model`, id),
    ];
    for (const { version } of versions) expect(await setChampion(server, 'Diffusion', version)).toBe('alias');
    expect(await getChampion(server, 'Diffusion')).toMatchObject({ version: '2', runId: id });
    expect((await listVersions(server, 'Diffusion')).map(({ version }) => version).sort()).toEqual(['1', '2']);
    await expect(setChampion(server, 'Unknown', '1')).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
  });

  it.each(["Anna's flowers", 'the "best", 100 % ü'])(
    'finds the versions of a model that is called %s',
    async (name) => {
      await ensureModel(server, name);
      const { artifacts, id } = await best();
      await createVersion(server, name, `${artifacts}/model`, id);
      expect((await listVersions(server, name)).map(({ name, runId }) => [name, runId])).toEqual([[name, id]]);
    },
  );

  it('marks the version that a run became as the champion, once', async () => {
    const given = { experiment: 'Training', model: 'Flowers', run: 'best', loss: 1e-5 };
    expect(await markChampion(server, given)).toMatch(/no version of Flowers by the run best/);
    await ensureModel(server, 'Flowers');
    const { artifacts, id } = await best();
    await createVersion(server, 'Flowers', `${artifacts}/model`, id);
    expect(await markChampion(server, given)).toBe('version 1 of Flowers is the champion in MLflow');
    expect(await markChampion(server, given)).toBeNull();
    expect(await markChampion(server, { ...given, experiment: 'None' })).toMatch(/no experiment None/);
  });

  it('gives a project the best run that left its model, each file checked, and nothing worse', async () => {
    const project = join(folder, 'flowers');
    mkdirSync(project);
    writeFileSync(join(project, 'params.yaml'), `mlflow: { server_uri: '${mlflow.url}' }\n`);
    const t2i = async (...argv: string[]) => {
      const io = fakeIo({ cwd: project, env: ADMIN });
      return { code: await main([...argv, '--json'], io), out: JSON.parse(io.out()), err: io.err() };
    };
    const put = async (run: number, path: string, body: string | Buffer) => {
      const url = `${mlflow.url}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${runs[run]}/artifacts/model/${path}`;
      expect(
        (await fetch(url, { method: 'PUT', headers: AUTHORIZATION, body: new Uint8Array(Buffer.from(body)) })).status,
      ).toBe(200);
    };
    const weightsOf = (name: string) => Buffer.from(`${name} `.repeat(50_000));
    const leave = async (run: number, name: string, loss: number) => {
      const weights = weightsOf(name);
      const files = { 'unet/weights.bin': { bytes: weights.length, sha256: sha256(weights) } };
      await put(run, 'run.json', JSON.stringify({ ...RECORD, run_name: name, best_val_diffuser_loss: loss, files }));
      await put(run, 'best/unet/weights.bin', weights);
    };
    expect((await t2i('promote')).out).toMatchObject({
      error: { code: 'DATA_INVALID', message: expect.stringContaining('nor on the tracking server') },
    });
    await leave(0, 'worse', 0.5);
    const first = await t2i('promote');
    expect(first.out).toMatchObject({ promoted: true, run: 'worse', loss: 0.5, version: 1 });
    expect(first.err).toContain('the run best on the MLflow server is left out: it has no model/run.json');
    expect(readFileSync(join(project, 'saved_models/diffuser/unet/weights.bin')).equals(weightsOf('worse'))).toBe(true);

    await leave(1, 'best', 0.1);
    expect((await t2i('promote')).err).toContain('its record says 0.1 where it logged 0.00001');
    await leave(1, 'best', 1e-5);
    await put(1, 'best/unet/weights.bin', Buffer.from('best '.repeat(49_999).concat('best.')));
    expect((await t2i('promote')).out).toMatchObject({ error: { code: 'DATA_INVALID' } });
    expect(JSON.parse(readFileSync(join(project, 'saved_models/model_metadata.json'), 'utf8')).run_name).toBe('worse');
    expect((await t2i('promote', '--local')).out).toMatchObject({ error: { hint: 'Train first: t2i train' } });
    await leave(1, 'best', 1e-5);
    expect((await t2i('promote')).out).toMatchObject({ promoted: true, run: 'best', version: 2 });
    expect((await t2i('promote')).out).toMatchObject({ promoted: false });
    expect(JSON.stringify((await t2i('history')).out)).not.toContain(ADMIN.MLFLOW_TRACKING_PASSWORD);
    // Without a copy of it on this machine.
    rmSync(join(project, 'promotions/versions'), { recursive: true });
    expect((await t2i('rollback')).out).toMatchObject({ rolledBack: true, run: 'worse' });
    expect((await t2i('promote')).out).toMatchObject({ promoted: false, run: 'worse' });
  }, 60_000);

  it('lets in nobody else', async () => {
    for (const env of [{}, { ...ADMIN, MLFLOW_TRACKING_PASSWORD: 'wrong' }]) {
      const stranger = new MlflowServer({ address: mlflow.url, env });
      await expect(findExperiment(stranger, 'Training')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    }
  });
});

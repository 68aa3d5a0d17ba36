import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getChampion } from '../../src/ops/mlflow/registry.js';
import { findExperiment, searchRuns } from '../../src/ops/mlflow/runs.js';
import { MlflowServer } from '../../src/ops/mlflow/server.js';
import { CANARY_TOKEN, FakeHub } from '../support/fake-hub.js';
import { type LocalService, startLocalService } from '../support/local-sagemaker.js';
import { ADMIN, RealMlflow } from '../support/mlflow-server.js';
import { CANARIES, type Moto, OPS, startMoto } from '../support/moto.js';
import { skipFor } from '../support/skip-for.js';
import { STAGES } from '../support/stages.js';
import { TINY_PROJECT } from '../support/tiny-project.js';
import { TRAINER, UserProject } from '../support/user-project.js';

const SECRETS = [CANARIES[1], CANARY_TOKEN, ADMIN.MLFLOW_TRACKING_PASSWORD];
const REPOSITORY = 'tester/flowers';
/** What AWS's containers have beside the trainer's packages. */
const AWS_PACKAGES = ['boto3', 'botocore', 's3transfer', 'jmespath', 'dateutil', 'six.py'];

const ops = (program: string, env: Readonly<Record<string, string>> = {}) =>
  execFileSync(OPS.python, ['-c', program], { encoding: 'utf8', env: { ...process.env, ...env } }).trim();

describe('a project whose data, training, records and models are on servers', skipFor(OPS.lack, TRAINER.lack), () => {
  let moto: Moto;
  let hub: FakeHub;
  let mlflow: RealMlflow;
  let local: LocalService;
  let project: UserProject;
  let tracking: MlflowServer;

  beforeAll(async () => {
    [moto, hub] = await Promise.all([startMoto(), FakeHub.start()]);
    await moto.makeBucket('flowers');
    project = new UserProject({ ...moto.env, ...ADMIN, HF_ENDPOINT: hub.url, HF_TOKEN: CANARY_TOKEN });
    for (const folder of ['mlflow', 'packages']) mkdirSync(join(project.root, folder));
    mlflow = await RealMlflow.start(OPS.python, join(project.root, 'mlflow'));
    const packages = ops('import boto3, os; print(os.path.dirname(os.path.dirname(boto3.__file__)))');
    for (const name of AWS_PACKAGES) symlinkSync(join(packages, name), join(project.root, 'packages', name));
    local = await startLocalService(moto, {
      python: TRAINER.python,
      containerEnv: { ...moto.env, PYTHONPATH: join(project.root, 'packages') },
    });
    project.env = { ...project.env, ...local.env };
    tracking = new MlflowServer({ address: mlflow.url, env: ADMIN });
  }, 600_000);
  afterAll(async () => {
    await local?.close();
    mlflow?.stop();
    await Promise.all([moto?.close(), hub?.close()]);
    project?.remove();
  });

  const promoted = () => JSON.parse(project.read('saved_models/model_metadata.json')).run_name;
  const published = () => hub.repositories.get(`models/${REPOSITORY}`);
  /** Name of the run that the published model says it is of. */
  const publishedRun = () =>
    JSON.parse(`${published()?.head.files.get('model_metadata.json')?.bytes}`).run_name as string;
  const jobs = async () => (await local.jobs.list('', 20, new AbortController().signal)).length;
  /** Name of the run that MLflow has as the champion, and how many finished runs it has. */
  const records = async () => {
    const experiment = (await findExperiment(tracking, 'Flowers')) as string;
    const names = new Map<string, string>();
    for await (const { id, name } of searchRuns(tracking, { experiment, filter: "attributes.status = 'FINISHED'" }))
      names.set(id, name);
    return { champion: names.get(`${(await getChampion(tracking, 'Flowers'))?.runId}`), runs: names.size };
  };

  it('is filled', async () => {
    await project.ok('npx --no -- t2i init flowers', { cwd: project.root });
    const arn = ops(
      `import boto3, sys
print(boto3.client("secretsmanager").create_secret(Name="mlflow", SecretString="${ADMIN.MLFLOW_TRACKING_PASSWORD}")["ARN"])`,
      { ...moto.env, AWS_DEFAULT_REGION: `${moto.env.AWS_REGION}` },
    );
    project.write({
      ...TINY_PROJECT,
      data: { ...TINY_PROJECT.data, remote: 's3://flowers/v1' },
      evaluate: { steps: 3, seeds: 1 },
      export: { name: 'flowers', steps: 3, guidance_scale: 2, licence: 'apache-2.0' },
      mlflow: { server_uri: mlflow.url, experiment_name: 'Flowers', registered_model_name: 'Flowers' },
      huggingface: { model_repo: REPOSITORY },
      pytorch_estimator: {
        ...{ train_on: 'sagemaker', role: 'arn:aws:iam::123456789012:role/trainer' },
        ...{ instance_count: 1, max_run: 600, max_wait: 1200 },
        environment: [`MLFLOW_TRACKING_USERNAME=${ADMIN.MLFLOW_TRACKING_USERNAME}`],
        secrets: [`MLFLOW_TRACKING_PASSWORD=${arn}`],
      },
    });
    await project.ok('git init -q . && dvc init -q && git add -A');
    await project.ok('npx --no -- t2i data import ../source && npx --no -- t2i params check');
  }, 600_000);

  it('has its first model trained, promoted, exported and published', async () => {
    expect(await project.repro()).toEqual(STAGES);
    expect([promoted(), publishedRun(), await records()]).toEqual(['run_1', 'run_1', { champion: 'run_1', runs: 1 }]);
    const files = [...(published()?.head.files.keys() ?? [])];
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 't2i.json', 'unet/model.onnx', 'unet/diffusion_pytorch_model.safetensors']),
    );
    expect([...(published()?.tags.keys() ?? [])]).toEqual([expect.stringMatching(/^run_1-[0-9a-f]{8}$/)]);
  }, 600_000);

  it('is changed in nothing by a model that is worse', async () => {
    const before = published()?.head.id;
    project.write({ training: { unet_learning_rate: 1e-9, num_epochs: 1 }, mlflow: { run_name: 'worse' } });
    expect(await project.repro()).toEqual(['training', 'log_training_model']);
    expect([promoted(), published()?.head.id]).toEqual(['run_1', before]);
    expect(await records()).toEqual({ champion: 'run_1', runs: 2 });
  }, 300_000);

  it('goes through with one that is better', async () => {
    project.write({ training: { unet_learning_rate: 1e-3, num_epochs: 6 }, mlflow: { run_name: 'better' } });
    expect(await project.repro()).toEqual(STAGES.slice(3));
    expect([promoted(), publishedRun(), await records()]).toEqual([
      'better',
      'better',
      { champion: 'better', runs: 3 },
    ]);
  }, 600_000);

  it('is drawn with from an empty folder', async () => {
    const cwd = join(project.root, 'elsewhere');
    mkdirSync(cwd);
    const options = { cwd, env: { HF_HOME: join(cwd, 'hub'), T2I_CACHE: cwd } };
    const model = `--model ${REPOSITORY} --backend onnxruntime`;
    await project.ok(`npx --no -- t2i pull ${REPOSITORY}`, options);
    await project.ok(`npx --no -- t2i "a red flower" ${model} --seed 1 -o flower.png`, options);
    expect(await project.ok(`npx --no -- t2i verify flower.png ${model}`, options)).toContain('exact');
    expect(readdirSync(cwd)).toContain('flower.png');
  }, 120_000);

  it('goes back to the model before, and all that follows goes with it', async () => {
    expect(await project.json('rollback')).toMatchObject({ rolledBack: true, run: 'run_1' });
    // What was made of that model before comes from DVC's cache; what acts on the world outside is done again.
    expect(await project.repro()).toEqual(['log_training_model', 'push_to_hub']);
    expect([promoted(), publishedRun(), await records()]).toEqual(['run_1', 'run_1', { champion: 'run_1', runs: 3 }]);
  }, 600_000);

  it('is run without DVC by the same stages, and no training is paid for twice', async () => {
    const before = await jobs();
    const part = 'pipeline run --from data-push --to log_training_model';
    const states = async () => (await project.json(part)).stages.map(({ state }: { state: string }) => state);
    expect(await states()).toEqual(['done', 'done', 'done']);
    expect(await states()).toEqual(['up to date', 'up to date', 'up to date']);
    expect([promoted(), await jobs()]).toEqual(['run_1', before]);
  }, 300_000);

  it('has left no secret anywhere', async () => {
    const { Contents = [] } = await moto.s3.send(new ListObjectsV2Command({ Bucket: 'flowers' }));
    const signal = new AbortController().signal;
    for (const { Key = '' } of Contents) {
      const { body } = await local.store.read({ bucket: 'flowers', key: Key }, signal);
      for (const secret of SECRETS) expect(body.includes(secret), Key).toBe(false);
    }
    for (const file of published()?.head.files.values() ?? [])
      for (const secret of SECRETS) expect(file.bytes.includes(secret)).toBe(false);
    for (const { TrainingJobName = '' } of await local.jobs.list('', 20, signal)) {
      project.said += JSON.stringify(await local.jobs.describe(TrainingJobName, signal));
      // Also what following a job does not show, or shows in other words.
      await project.ok(`npx --no -- t2i jobs logs ${TrainingJobName}`);
    }
    // Figures, parameters and tags, and what runs left.
    const records = '../mlflow/records.db ../mlflow/files';
    for (const secret of SECRETS) {
      expect(project.said).not.toContain(secret);
      expect((await project.sh(`grep -rlF -- "${secret}" . "${local.work}" ${records}`)).output).toBe('');
    }
  }, 60_000);
});

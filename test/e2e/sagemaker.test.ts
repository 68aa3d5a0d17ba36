import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';
import { type LocalService, startLocalService } from '../support/local-sagemaker.js';
import { CANARIES, type Moto, OPS, startMoto } from '../support/moto.js';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';
import { TINY_PROJECT } from '../support/tiny-project.js';

/** Long enough to be interrupted. */
const SLOW = { strategy: 'zero2', num_epochs: 30, patience: null, validation_steps: 15, checkpoint_steps: 40 };
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TRAINER = pythonOf('trainer/requirements.lock');
const [, SECRET] = CANARIES;
const HF_TOKEN = 'hf_canaryCANARYcanaryCANARY12';

describe('a training on two machines', skipFor(OPS.lack, TRAINER.lack), () => {
  let root: string;
  let project: string;
  let moto: Moto;
  let local: LocalService;
  /** All that commands told, in which no secret may be. */
  let told = '';

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 't2i-cloud-'));
    project = join(root, 'flowers');
    mkdirSync(project);
    execFileSync(TRAINER.python, [join(ROOT, 'test/ops/tiny_project.py'), root, '--prepare', project], {
      stdio: 'pipe',
    });
    moto = await startMoto();
    await moto.makeBucket('flowers');
    local = await startLocalService(moto, { python: TRAINER.python });
    writeParams();
  }, 120_000);
  afterAll(async () => {
    await local?.close();
    await moto?.close();
    rmSync(root, { recursive: true, force: true });
  });
  afterEach(() => {
    for (const secret of [SECRET, HF_TOKEN]) expect(told).not.toContain(secret);
  });

  const writeParams = (estimator: object = {}, training: object = {}, more: object = {}) =>
    writeFileSync(
      join(project, 'params.yaml'),
      stringify({
        ...TINY_PROJECT,
        data: { ...TINY_PROJECT.data, remote: 's3://flowers/v1' },
        training: { ...TINY_PROJECT.training, ...SLOW, ...training },
        pytorch_estimator: {
          role: 'arn:aws:iam::123456789012:role/trainer',
          max_run: 600,
          max_wait: 1200,
          ...estimator,
        },
        ...more,
      }),
    );
  const t2i = async (...argv: string[]) => {
    const io = fakeIo({ cwd: project, env: { ...local.env, HF_TOKEN } });
    const code = await main(argv, io);
    told += io.out() + io.err();
    return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
  };
  const weights = (run: string) => join(project, 'runs', run, 'unet/diffusion_pytorch_model.safetensors');
  const distance = (one: string, other: string) =>
    Number(
      execFileSync(
        TRAINER.python,
        [
          '-c',
          `import sys
from safetensors.torch import load_file
one, other = map(load_file, sys.argv[1:])
assert one.keys() == other.keys()
print(max((one[name] - other[name]).abs().max().item() for name in one))`,
          weights(one),
          weights(other),
        ],
        { encoding: 'utf8' },
      ),
    );
  const jobs = async () => (await t2i('jobs', '--json')).json().length;

  it('asks for the data first', async () => {
    const { code, err } = await t2i('train', '--on', 'sagemaker', '--dry-run');
    expect([code, err]).toEqual([1, expect.stringContaining('There are no data in s3://flowers/v1')]);
    expect((await t2i('data', 'push')).code).toBe(0);
    expect(existsSync(join(project, 'reports/data-push.json'))).toBe(true);
  });

  it('shows what it would do and cost, and does nothing', async () => {
    const { code, json } = await t2i('train', '--on', 'sagemaker', '--dry-run', '--json');
    expect(code).toBe(0);
    const { request, cost } = json();
    expect(request).toMatchObject({
      TrainingJobName: expect.stringMatching(/^t2i-run-1-[0-9a-f]{12}$/),
      ResourceConfig: { InstanceType: 'ml.g4dn.xlarge', InstanceCount: 2 },
      EnableManagedSpotTraining: true,
      CheckpointConfig: { LocalPath: '/opt/ml/checkpoints' },
    });
    expect(cost).toMatchObject({ at_most: 0.25, note: expect.stringContaining('an estimate: 2 x ml.g4dn.xlarge') });
    expect((await t2i('train', '--on', 'sagemaker', '--dry-run', '--json')).json()).toEqual({ request, cost });
    expect(await jobs()).toBe(0);
  });

  it('tells every mistake at once, before anything is paid for', async () => {
    writeParams({
      ...{
        role: 'trainer',
        instance_type: 'ml.g4dn.tiny',
        framework_version: '1.0',
        secrets: ['MLFLOW_TRACKING_TOKEN=x'],
      },
      environment: ['DB_PASSWORD=x', `HARMLESS=${SECRET}`],
    });
    const { code, err } = await t2i('train', '--on', 'sagemaker');
    expect(code).toBe(2);
    for (const option of ['role', 'instance_type', 'framework_version', 'environment.0', 'secrets.0'])
      expect(err).toContain(`pytorch_estimator.${option}: `);
    expect(err).toContain('params.yaml: holds a secret of the environment or .env');
    expect(await jobs()).toBe(0);
    writeParams();
  });

  it('that loses its machines ends with the weights of one that kept them', async () => {
    const kept = await t2i('train', '--on', 'sagemaker', '--no-spot', '--run', 'kept', '--json');
    expect(kept.code, kept.err).toBe(0);
    expect(kept.json()).toMatchObject({ status: 'finished', run: 'runs/kept', saved_percent: 0, interruptions: 0 });
    local.faults.interruptAt.push(/^step=15 /);
    const lost = await t2i('train', '--on', 'sagemaker', '--run', 'lost', '--json');
    expect(lost.code, lost.err).toBe(0);
    expect(lost.json()).toMatchObject({ status: 'finished', run: 'runs/lost', interruptions: 1 });
    expect(lost.err).toContain('the same command resumes');
    expect(distance('kept', 'lost')).toBeLessThanOrEqual(1e-6);
    const files = readdirSync(join(project, 'runs/lost'));
    expect(files).toEqual(
      expect.arrayContaining(['best', 'metrics.jsonl', 'options.json', 'run.json', 'scheduler', 'unet']),
    );
    const { best_val_diffuser_loss: loss } = JSON.parse(readFileSync(join(project, 'runs/lost/run.json'), 'utf8'));
    const status = (await t2i('jobs', 'status', lost.json().job, '--json')).json();
    expect(Math.min(loss, status.figures.val_diffuser_loss)).toBe(loss);
    expect((await t2i('promote', '--json')).json()).toMatchObject({ promoted: true });
  }, 400_000);

  it('that is stopped goes on with fewer machines, to the same weights', async () => {
    const { job } = (
      await t2i('train', '--on', 'sagemaker', '--no-spot', '--run', 'fewer', '--detach', '--json')
    ).json();
    const onErr = (text: string) => text.includes('| step=15 ') && void t2i('jobs', 'stop', job);
    const io = fakeIo({ cwd: project, env: { ...local.env, HF_TOKEN }, onErr });
    expect(await main(['jobs', 'logs', job, '--follow'], io), io.err()).toBe(1);
    expect(io.err()).toContain(`The training job ${job} was stopped`);
    const { name } = (await t2i('jobs', 'resume', job, '--instance-count', '1', '--json')).json();
    const ended = await t2i('jobs', 'logs', name, '--follow', '--json');
    expect(ended.json()).toMatchObject({ status: 'Completed', machines: '1 x ml.g4dn.xlarge' });
    expect((await t2i('jobs', 'fetch', name)).code).toBe(0);
    expect(distance('kept', 'fewer')).toBeLessThanOrEqual(1e-5);
  }, 400_000);

  it('is not paid for twice, and can be fetched again', async () => {
    const before = await jobs();
    rmSync(join(project, 'runs/kept'), { recursive: true });
    const again = await t2i('train', '--on', 'sagemaker', '--no-spot', '--run', 'kept', '--json');
    expect(again.code, again.err).toBe(0);
    expect(again.err).toContain('was started before');
    expect(await jobs()).toBe(before);
    expect(existsSync(weights('kept'))).toBe(true);
  }, 60_000);

  it("starts in AWS's own toolkit, too", async () => {
    writeParams({}, { num_epochs: 1 });
    const argv = ['--no-spot', '--run', 'toolkit', '--container-format', 'toolkit', '--json'];
    const { code, err, json } = await t2i('train', '--on', 'sagemaker', ...argv);
    expect(code, err).toBe(0);
    expect(json()).toMatchObject({ status: 'finished', step: 3 });
    expect(existsSync(weights('toolkit'))).toBe(true);
  }, 200_000);

  it('that fails says why, and what to do', async () => {
    // The text states were made with another length.
    writeParams({}, {}, { clip: { ...TINY_PROJECT.clip, max_length: 12 } });
    const { code, err } = await t2i('train', '--on', 'sagemaker', '--run', 'stale');
    expect(code).toBe(1);
    expect(err).toMatch(/The training job t2i-stale-\w+ failed: AlgorithmError: DATA_INVALID/);
    expect(err).toMatch(/t2i jobs resume t2i-stale-/);
    writeParams();
  }, 120_000);

  it('has left no secret in S3, in a host or in the project', async () => {
    const { Contents = [] } = await moto.s3.send(new ListObjectsV2Command({ Bucket: 'flowers' }));
    for (const { Key = '' } of Contents) {
      const { body } = await local.store.read({ bucket: 'flowers', key: Key }, new AbortController().signal);
      for (const secret of [SECRET, HF_TOKEN]) expect(body.includes(secret), Key).toBe(false);
    }
    const names = (await t2i('jobs', '--json')).json() as { name: string }[];
    for (const { name } of names) {
      told += JSON.stringify(await local.jobs.describe(name, new AbortController().signal));
      // Of all hosts, with the lines that following shows in other words.
      await t2i('jobs', 'logs', name);
    }
    for (const secret of [SECRET, HF_TOKEN]) {
      for (const folder of [local.work, project])
        expect(execFileSync('sh', ['-c', `grep -rl -- "${secret}" "${folder}" || true`], { encoding: 'utf8' })).toBe(
          '',
        );
    }
  }, 60_000);
});

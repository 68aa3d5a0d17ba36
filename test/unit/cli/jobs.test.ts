import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import { fakeIo } from '../../support/fake-io.js';
import { type LocalService, startLocalService } from '../../support/local-sagemaker.js';
import { type Moto, OPS, startMoto } from '../../support/moto.js';
import { skipFor } from '../../support/skip-for.js';

/** In place of the trainer: leaves a model of one file, or waits to be stopped. */
const ENTRY = `set -e
cd "$T2I_ML_ROOT"
echo "{}" > model/run.json
hash=$(sha256sum model/run.json | cut -d' ' -f1)
echo '{"formatVersion": 1, "result": {"status": "finished", "run": "runs/x"}, "files": {"run.json": {"bytes": 3, "sha256": "'$hash'"}}}' > model/t2i-job.json
tar -xOf input/data/code/code.tar params.json > params.json
echo "step=1 lr=1e-05 val_diffuser_loss=0.5"
if grep -q '"run_name":"waiting"' params.json; then
  trap 'exit 0' TERM
  echo ready
  while true; do sleep 0.1; done
fi
`;

const ESTIMATOR = {
  ...{ role: 'arn:aws:iam::123456789012:role/trainer', source_dir: 'code', entry_point: 'entry.sh' },
  instance_count: 1,
};
const PARAMS = { data: { remote: 's3://flowers/v1' }, pytorch_estimator: ESTIMATOR };

describe('training jobs on the command line', skipFor(OPS.lack), () => {
  let project: string;
  let moto: Moto;
  let local: LocalService;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 't2i-jobs-'));
    const write = (path: string, text: string) => {
      mkdirSync(join(project, path, '..'), { recursive: true });
      writeFileSync(join(project, path), text);
    };
    write('data/raw/dataset/captions/a.txt', 'a red flower');
    write('code/entry.sh', ENTRY);
    write('params.yaml', stringify(PARAMS));
    moto = await startMoto();
    await moto.makeBucket('flowers');
    local = await startLocalService(moto);
    expect((await t2i(['data', 'push'])).code).toBe(0);
  });
  afterAll(async () => {
    await local?.close();
    await moto?.close();
    rmSync(project, { recursive: true, force: true });
  });

  const t2i = async (argv: string[], options: Parameters<typeof fakeIo>[0] = {}) => {
    const io = fakeIo({ cwd: project, env: local.env, ...options });
    const code = await main(argv, io);
    return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
  };

  it('start alone, are followed, and fetched', async () => {
    const started = await t2i(['train', '--on', 'sagemaker', '--run', 'detached', '--detach', '--json']);
    expect(started.code, started.err).toBe(0);
    const { job } = started.json();
    expect(started.json()).toEqual({ job: expect.stringMatching(/^t2i-detached-/), created: true });
    expect(existsSync(join(project, 'runs'))).toBe(false);
    const followed = await t2i(['jobs', 'logs', job, '--follow', '--json']);
    expect(followed.code, followed.err).toBe(0);
    expect(followed.err).toContain('algo-1 | step=1 lr=1e-05');
    expect(followed.json()).toMatchObject({ status: 'Completed', figures: { lr: 1e-5, val_diffuser_loss: 0.5 } });
    expect((await t2i(['jobs', 'logs', job])).out).toBe('algo-1 | step=1 lr=1e-05 val_diffuser_loss=0.5\n');
    const fetched = await t2i(['jobs', 'fetch', job, '--json']);
    expect(fetched.json()).toMatchObject({ status: 'finished', job, interruptions: 0 });
    expect(readFileSync(join(project, 'runs/detached/run.json'), 'utf8')).toBe('{}\n');
    expect(JSON.parse(readFileSync(join(project, 'reports/training.json'), 'utf8'))).toEqual({
      status: 'finished',
      run: 'runs/x',
    });
    expect((await t2i(['jobs'])).out).toMatch(new RegExp(`^job +status +age\n${job} +Completed +just now\n$`));
  });

  it('go on after Ctrl-C, which says how to come back, and stop when asked', async () => {
    const stop = new AbortController();
    const argv = ['train', '--on', 'sagemaker', '--run', 'waiting'];
    const onErr = (text: string) => text.includes('| ready') && stop.abort(new Interrupted('SIGINT'));
    const left = await t2i(argv, { signal: stop.signal, onErr });
    expect(left.code).toBe(130);
    const [, job = ''] = /t2i jobs stop (\S+)/.exec(left.err) ?? [];
    expect(left.err).toContain(`the training job ${job} goes on`);
    expect((await t2i(['jobs', 'status', job, '--json'])).json()).toMatchObject({ status: 'InProgress' });
    expect((await t2i(['jobs', 'stop', job, '--json'])).code).toBe(0);
    const followed = await t2i(['jobs', 'logs', job, '--follow']);
    expect([followed.code, followed.err]).toEqual([1, expect.stringContaining(`The training job ${job} was stopped`)]);
    const again = await t2i(argv);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining(`t2i jobs resume ${job}`)]);
    expect((await t2i(['jobs', 'stop', job])).err).toContain('has ended already');
    expect((await t2i(['jobs', 'fetch', job])).code).toBe(1);
  });

  it('run on this machine without anything of SageMaker', async () => {
    const argv = ['train', '--on', 'local-sagemaker', '--run', 'here', '--no-spot', '--python', process.execPath];
    const { code, err, json } = await t2i([...argv, '--json']);
    expect(code, err).toBe(0);
    expect(json()).toMatchObject({ status: 'finished', saved_percent: 0 });
    expect(err).not.toContain('at most $');
    expect(existsSync(join(project, 'runs/here/run.json'))).toBe(true);
  });

  it('are taken by a service of their own until it is ended', async () => {
    const end = new AbortController();
    const io = fakeIo({ cwd: project, env: moto.env, signal: end.signal });
    let serving: Promise<number> | undefined;
    const url = await new Promise<string>((resolve) => {
      io.stdout.write = (text) => resolve(JSON.parse(String(text)).url);
      serving = main(['jobs', 'serve', '--python', process.execPath, '--json'], io);
    });
    const env = { ...moto.env, AWS_ENDPOINT_URL_SAGEMAKER: url };
    const started = fakeIo({ cwd: project, env });
    const argv = ['train', '--on', 'sagemaker', '--run', 'waiting', '--detach', '--json'];
    expect(await main(argv, started), started.err()).toBe(0);
    const listed = fakeIo({ cwd: project, env });
    await main(['jobs', '--json'], listed);
    expect(JSON.parse(listed.out())).toEqual([expect.objectContaining({ status: 'InProgress' })]);
    end.abort(new Interrupted('SIGTERM'));
    expect(await serving).toBe(143);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('read data where they are said to be, below the bucket and the key', async () => {
    const elsewhere = { data: { remote: 's3://flowers/other' } };
    const estimator = { ...ESTIMATOR, s3_train_data: 's3://flowers/v1' };
    writeFileSync(join(project, 'params.yaml'), stringify({ ...elsewhere, pytorch_estimator: estimator }));
    const { code, err, json } = await t2i(['train', '--on', 'sagemaker', '--dry-run', '--json']);
    writeFileSync(join(project, 'params.yaml'), stringify(PARAMS));
    expect(code, err).toBe(0);
    const { InputDataConfig, OutputDataConfig } = json().request;
    const addresses = InputDataConfig.map((channel: Channel) => channel.DataSource?.S3DataSource?.S3Uri);
    for (const uri of [...addresses, OutputDataConfig.S3OutputPath]) expect(uri).toMatch(/^s3:\/\/flowers\/v1\//);
  });

  it('are told every mistake at once: of the parameters, between them, and of the request', async () => {
    writeFileSync(
      join(project, 'params.yaml'),
      stringify({
        data: { remote: '../elsewhere' },
        training: { batch_size: 7, precision: 'bf16', gradient_accumulation_steps: 2 },
        pytorch_estimator: {
          ...{ ...ESTIMATOR, role: 'trainer', instance_type: 'ml.g4dn.12xlarge', max_wait: 1 },
          ...{ wheels: 'wheels', environment: ['DB_PASSWORD=x'] },
        },
      }),
    );
    const { code, json } = await t2i(['train', '--on', 'sagemaker', '--dry-run', '--json']);
    writeFileSync(join(project, 'params.yaml'), stringify(PARAMS));
    expect(code).toBe(2);
    const told = json().error.issues.map(({ option }: { option: string }) => option.replace('params.yaml: ', ''));
    expect(told.sort()).toEqual([
      ...['data.remote', 'pytorch_estimator.environment.0', 'pytorch_estimator.max_wait', 'pytorch_estimator.role'],
      ...['pytorch_estimator.wheels', 'training.batch_size', 'training.precision'],
    ]);
  });

  it('wait for no spot machines where there are none, as flags say or params.yaml', async () => {
    const dryRun = async (spot: boolean, ...flags: string[]) => {
      const estimator = { ...ESTIMATOR, max_wait: 1, use_spot_instances: spot };
      writeFileSync(join(project, 'params.yaml'), stringify({ ...PARAMS, pytorch_estimator: estimator }));
      const { code, json } = await t2i(['train', '--on', 'sagemaker', '--dry-run', '--json', ...flags]);
      writeFileSync(join(project, 'params.yaml'), stringify(PARAMS));
      const { request, error } = json();
      return code === 0
        ? request.StoppingCondition
        : error.issues.map(({ option }: { option: string }) => option.replace('params.yaml: ', ''));
    };
    for (const said of [await dryRun(true, '--no-spot'), await dryRun(false)])
      expect(said).toEqual({ MaxRuntimeInSeconds: 14_400 });
    for (const said of [await dryRun(false, '--spot'), await dryRun(true)])
      expect(said).toEqual(['pytorch_estimator.max_wait']);
  });

  it.each<[string[], RegExp]>([
    [['jobs', 'status'], /name: expected a job with status/],
    [['jobs', 'list', 'x'], /name: expected nothing with list/],
    [['jobs', '--port', '3'], /--port: expected nothing with list/],
    [['jobs', 'stop', 'x', '--instance-count', '2'], /--instance-count: expected nothing with stop/],
    [['jobs', 'resume', 'x', '--instance-count', '0'], /--instance-count: expected an integer/],
    [['jobs', '--count', '0'], /--count: expected an integer/],
    [['data', 'push', '--archive', 'rar'], /--archive: expected one of shards, zip/],
    [['data', 'check', '--archive', 'zip'], /--archive: expected nothing with check/],
  ])('refuse %j', async (argv, message) => {
    const { code, err } = await t2i(argv);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  it('that are not there are told as such', async () => {
    const { code, err } = await t2i(['jobs', 'status', 'no-such-job']);
    expect([code, err]).toEqual([5, expect.stringContaining('There is no training job no-such-job in eu-west-1')]);
  });
});

import { execFileSync } from 'node:child_process';
import type { CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import { TrainingInstanceType } from '@aws-sdk/client-sagemaker';
import { describe, expect, it } from 'vitest';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import { batchOf, machinesIssues } from '../../../../src/ops/sagemaker/batch.js';
import { findLeaks, jobEnvironment } from '../../../../src/ops/sagemaker/environment.js';
import { chooseImage, IMAGES } from '../../../../src/ops/sagemaker/images.js';
import { COUNTS, checkRequest, TEXTS } from '../../../../src/ops/sagemaker/limits.js';
import { METRIC_DEFINITIONS } from '../../../../src/ops/sagemaker/metrics.js';
import { attemptName, jobName, readAttempt } from '../../../../src/ops/sagemaker/names.js';
import { estimateCost, gpusOf } from '../../../../src/ops/sagemaker/prices.js';
import { buildRequest, withOptionName } from '../../../../src/ops/sagemaker/request.js';
import { OPS } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';

const TYPES = Object.values(TrainingInstanceType);
const params = PARAMS.parse({ pytorch_estimator: { role: 'arn:aws:iam::123456789012:role/trainer' } });

function request(changes: object = {}): CreateTrainingJobRequest {
  const given = {
    ...{ params, image: 'image', spot: true, channels: [], environment: {}, hashes: { t2i_data_sha256: 'a' } },
    start: { hyperParameters: {} },
    base: { bucket: 'flowers', key: 'v1' },
  };
  return buildRequest({ ...given, ...changes });
}

/** AWS's own model of the service. */
function awsShapes(): Record<string, { max?: number; pattern?: string; enum?: string[] }> {
  const program = `import gzip, json, os, botocore
path = os.path.join(os.path.dirname(botocore.__file__), "data/sagemaker/2017-07-24/service-2.json")
text = open(path).read() if os.path.exists(path) else gzip.open(path + ".gz", "rt").read()
shapes = json.loads(text)["shapes"]
print(json.dumps({name: {key: shape[key] for key in ("max", "pattern", "enum") if key in shape} for name, shape in shapes.items()}))`;
  return JSON.parse(execFileSync(OPS.python, ['-c', program], { encoding: 'utf8', maxBuffer: 2 ** 26 }));
}

/** A pattern without escapes that are not needed. */
const plain = (pattern: string) => pattern.replaceAll(/\\([-./])/g, '$1');

describe('the limits of a request', () => {
  it("are those of AWS's own model", skipFor(OPS.lack), () => {
    const shapes = awsShapes();
    for (const [name, limit] of Object.entries(TEXTS)) {
      const aws = shapes[name];
      expect([name, limit.max]).toEqual([name, aws?.max]);
      // A pattern that takes everything is not repeated.
      if ('pattern' in limit) expect(plain(limit.pattern.source)).toBe(plain(`^${aws?.pattern}$`));
      else expect(aws?.pattern, name).toMatch(/^\.\*$|^\[\\S\\s\]\*$|^\.\+$/);
    }
    for (const [name, most] of Object.entries(COUNTS)) expect([name, shapes[name]?.max]).toEqual([name, most]);
    const types = shapes.TrainingInstanceType?.enum ?? [];
    expect(TYPES).toEqual(expect.arrayContaining(['ml.g4dn.xlarge', 'ml.g6e.xlarge']));
    expect(TYPES.filter((type) => types.includes(type)).length).toBeGreaterThan(100);
  });

  it('hold for the request that is built', () => {
    expect(checkRequest(request(), TYPES)).toEqual([]);
    expect(request().OutputDataConfig?.S3OutputPath).toMatch(
      /^s3:\/\/flowers\/v1\/jobs\/t2i-run-1-[0-9a-f]{12}\/output$/,
    );
    expect(request().Tags).toEqual([{ Key: 't2i:run', Value: 'run_1' }]);
    const issue = { option: 'HyperParameters.Environment.x', expected: 'a', received: 'b' };
    expect(withOptionName(issue)).toEqual(issue);
    expect(request({ spot: false }).StoppingCondition).toEqual({ MaxRuntimeInSeconds: 14_400 });
  });

  it.each<[string, Partial<CreateTrainingJobRequest>]>([
    ['pytorch_estimator.role', { RoleArn: 'arn:aws:iam::12:role/x' }],
    [
      'pytorch_estimator.image_uri',
      { AlgorithmSpecification: { TrainingImage: 'x'.repeat(256), TrainingInputMode: 'File' } },
    ],
    ['pytorch_estimator.max_wait', { StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 59 } }],
    [
      'pytorch_estimator.max_run',
      { StoppingCondition: { MaxRuntimeInSeconds: 2_419_201, MaxWaitTimeInSeconds: 2_419_201 } },
    ],
    [
      'pytorch_estimator.instance_type',
      { ResourceConfig: { InstanceType: 'ml.x' as never, InstanceCount: 1, VolumeSizeInGB: 1 } },
    ],
    [
      'pytorch_estimator.instance_count',
      { ResourceConfig: { InstanceType: 'ml.g5.xlarge', InstanceCount: 0, VolumeSizeInGB: 1 } },
    ],
    ['pytorch_estimator.environment: LONG', { Environment: { LONG: 'x'.repeat(513) } }],
    ['Environment', { Environment: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`V${at}`, ''])) }],
    ['HyperParameters.long', { HyperParameters: { long: 'x'.repeat(2501) } }],
    [
      'HyperParameters',
      { HyperParameters: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`h${at}`, ''])) },
    ],
    ['Tags.0.Value', { Tags: [{ Key: 'run', Value: 'a;b' }] }],
    ['RetryStrategy.MaximumRetryAttempts', { RetryStrategy: { MaximumRetryAttempts: 31 } }],
    ['TrainingJobName', { TrainingJobName: 'a--b-' }],
    ['CheckpointConfig.S3Uri', { CheckpointConfig: { S3Uri: 'flowers/x' } }],
  ])('refuse %s beyond them', (option, changes) => {
    const issues = checkRequest({ ...request(), ...changes }, TYPES).map(withOptionName);
    expect(issues.map((issue) => issue.option)).toEqual([option]);
  });

  it('hold for a job that says what batch its machines share', () => {
    const training = { batch_size: 48, gradient_accumulation_steps: 3 };
    const { HyperParameters } = request({ params: PARAMS.parse({ training }) });
    expect(batchOf(HyperParameters)).toEqual(training);
    expect(batchOf({ t2i_run: 'of an earlier version' })).toBeUndefined();
    const machines = (type: string, count: number) => machinesIssues(training, { type, count }, 'instanceCount');
    expect(machines('ml.g5.12xlarge', 4)).toEqual([]);
    expect(machines('ml.g5.12xlarge', 3)).toMatchObject([
      { expected: expect.stringMatching(/^one of 1, 2, 4 machines/) },
    ]);
    expect(machines('ml.unheard.of', 16)).toEqual([]);
  });

  it('never quote the value of a variable', () => {
    const [issue] = checkRequest({ ...request(), Environment: { KEY: `canary${'x'.repeat(600)}` } }, TYPES);
    expect(JSON.stringify(issue)).not.toContain('canary');
  });
});

describe('the name of a job', () => {
  it('is the same for the same training, and another for any other', () => {
    const { TrainingJobName: name } = request();
    expect(request().TrainingJobName).toBe(name);
    expect(jobName('run', { a: 1, b: { c: 2, d: undefined } })).toBe(jobName('run', { b: { c: 2 }, a: 1 }));
    const others = [
      { hashes: { t2i_data_sha256: 'b' } },
      { spot: false },
      { image: 'other' },
      { environment: { A: '1' } },
      { start: { hyperParameters: { t2i_code_sha256: 'c' } } },
    ];
    for (const other of others) expect(request(other).TrainingJobName).not.toBe(name);
  });

  it.each(['run_1', 'a..b', 'x'.repeat(100), '1', '___', 'ends-'])('%s becomes one that the service takes', (run) => {
    const name = jobName(run, {});
    expect(name).toMatch(TEXTS.TrainingJobName.pattern);
    expect(attemptName(name, 123).length).toBeLessThanOrEqual(63);
    expect(attemptName(name, 123)).toMatch(TEXTS.TrainingJobName.pattern);
    expect(readAttempt(attemptName(name, 12))).toEqual({ base: name, attempt: 12 });
    expect(readAttempt(name)).toEqual({ base: name, attempt: 1 });
  });
});

describe('metric definitions', () => {
  it.each([
    ['step=3 lr=1e-05 val_diffuser_loss=0.25', { lr: 1e-5, val_diffuser_loss: 0.25 }],
    ['lr=1.5E-7 grad_norm=-3', { lr: 1.5e-7, grad_norm: -3 }],
    ['train_diffuser_loss=12', { train_diffuser_loss: 12 }],
    ['nothing of the kind, my_lr=3', {}],
  ])('read %s', (line, expected) => {
    const read = METRIC_DEFINITIONS.flatMap(({ Name, Regex }) => {
      const value = new RegExp(Regex).exec(line)?.[1];
      return value === undefined ? [] : [[Name, Number(value)]];
    });
    expect(Object.fromEntries(read)).toEqual(expected);
  });
});

describe('the image', () => {
  it('is that of the version, and told when AWS mends it no more', () => {
    const choose = (version: string, python = 'py312', today = '2026-11-26') =>
      chooseImage(version, python, 'eu-west-1', today);
    expect(choose('2.12')).toEqual({
      uri: '763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2.12-cu130-amzn2023-sagemaker',
      issues: [],
      warnings: [],
    });
    expect(choose('2.12.1').uri).toBe(choose('2.12').uri);
    expect(choose('2.12', 'py312', '2027-07-02').warnings).toEqual([]);
    expect(choose('2.6').warnings).toEqual([expect.stringContaining('2026-01-29')]);
    expect(choose('2.12', 'py312', '2027-07-03').warnings).toEqual([expect.stringContaining('2027-07-02')]);
    const expected = expect.stringMatching(/^one of 2\.13, 2\.12, .*2\.6$/);
    const unknown = { option: 'pytorch_estimator.framework_version', expected, received: '1.4' };
    expect(choose('1.4', 'py36')).toEqual({ uri: '', issues: [unknown], warnings: [] });
    expect(choose('2.10').issues).toEqual([
      { option: 'pytorch_estimator.py_version', expected: 'py313, with PyTorch 2.10', received: 'py312' },
    ]);
  });

  it('of the defaults is in the list', () => {
    const { framework_version, py_version } = params.pytorch_estimator;
    expect(chooseImage(framework_version, py_version, 'eu-west-1', '2026-11-26').issues).toEqual([]);
    expect(new Set(IMAGES.map(({ version }) => version)).size).toBe(IMAGES.length);
  });
});

describe('the environment of a job', () => {
  const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:mlflow-AbCdEf';

  it('has values, and of secrets where they are kept', () => {
    expect(jobEnvironment(['A=1=2', 'B='], [`MLFLOW_TRACKING_PASSWORD=${arn}`])).toEqual({
      variables: { A: '1=2', B: '', T2I_SECRET_MLFLOW_TRACKING_PASSWORD: arn },
      issues: [],
    });
  });

  it.each([
    ['MLFLOW_TRACKING_PASSWORD=canary'],
    ['HF_TOKEN=canary'],
    ['DB_PASSWORD_OLD=canary'],
    ['AWS_SECRET_ACCESS_KEY=canary'],
    ['HARMLESS=hf_canaryCANARYcanaryCANARY12'],
    ['URL=https://user:canary@host/'],
  ])('refuses %s, and does not repeat the value', (line) => {
    const { variables, issues } = jobEnvironment([line], []);
    expect([variables, issues.map(({ option }) => option)]).toEqual([{}, ['pytorch_estimator.environment.0']]);
    expect(JSON.stringify(issues)).not.toMatch(/canary/i);
  });

  it.each(['NAME', '=x', 'A-B=1', '1A=1', ' A=1', ''])('refuses %s, which sets no variable', (line) => {
    expect(jobEnvironment(['A=1', line], [])).toEqual({
      variables: { A: '1' },
      issues: [{ option: 'pytorch_estimator.environment.1', expected: 'NAME=VALUE', received: 'something else' }],
    });
  });

  it.each(['NAME', 'NAME=value', 'NAME=arn:aws:s3:::bucket', '=x'])('refuses %s for where a secret is kept', (line) => {
    const { issues } = jobEnvironment([], [line]);
    expect(issues.map(({ option }) => option)).toEqual(['pytorch_estimator.secrets.0']);
  });

  it('finds a secret of this machine wherever it is', () => {
    const leaks = findLeaks({ a: ['x canary"secret y'] }, 'request', ['other', 'canary"secret']);
    expect(leaks).toEqual([
      expect.objectContaining({ option: 'request', problem: expect.stringContaining('take it out') }),
    ]);
    expect(JSON.stringify(leaks)).not.toContain('canary');
    expect(findLeaks({ a: 'x' }, 'request', ['canary"secret'])).toEqual([]);
  });
});

describe('what a job may cost', () => {
  it('is every machine for all of its time, with its date, or not known', () => {
    expect(estimateCost('ml.g4dn.xlarge', 2, 14_400, true)).toEqual({
      at_most: 5.89,
      currency: 'USD',
      note: expect.stringMatching(
        /^an estimate: 2 x ml\.g4dn\.xlarge for 4 h at \$0\.7364 an hour.*2026-11-26; yours may differ; spot/,
      ),
    });
    expect(estimateCost('ml.p6-b200.48xlarge', 1, 60, false).at_most).toBeNull();
    expect(estimateCost('ml.unheard.of', 1, 60, false).at_most).toBeNull();
  });

  it('knows the GPUs of machines that are in no table of prices', () => {
    expect(['ml.g6.48xlarge', 'ml.p4d.24xlarge', 'ml.g6e.xlarge', 'ml.unheard.of'].map(gpusOf)).toEqual([
      8,
      8,
      1,
      undefined,
    ]);
  });
});

import { describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import type { TrainingJobs } from '../../../../src/ops/sagemaker/client.js';
import { CANARIES } from '../../../support/moto.js';
import { at, channels, freshProject, type Given, MANIFEST, plan, write } from './planning.js';

freshProject();

/** The options that a plan is refused for. */
async function refused(given: Given): Promise<string[]> {
  const error = await plan(given).then(
    () => undefined,
    (reason: unknown) => reason as T2IError,
  );
  expect(error).toMatchObject({ code: 'OPTION_INVALID' });
  return (error as T2IError).issues.map(({ option }) => option.replace('params.yaml: ', ''));
}

describe('a training is not started', () => {
  it.each<[string, () => void, RegExp]>([
    ['without data', () => at.bucket.objects.clear(), /no data in s3:\/\/flowers\/v1$/],
    ['with what is no manifest', () => at.bucket.put('v1/manifest.json', '{}'), /no manifest/],
    [
      'with a manifest of single files, which is none of data',
      () => at.bucket.put('v1/manifest.json', JSON.stringify({ ...MANIFEST, format: 'files' })),
      /no manifest/,
    ],
    [
      'with data of which nothing was pushed',
      () => at.bucket.put('v1/manifest.json', JSON.stringify({ ...MANIFEST, archives: {} })),
      /no data/,
    ],
  ])('%s', async (_, change, message) => {
    change();
    await expect(plan()).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringMatching(message),
      hint: expect.stringContaining('t2i data push'),
    });
  });

  it('where the data cannot be looked at, which is told as it is', async () => {
    Object.assign(at.store, { read: () => Promise.reject(new T2IError('ACCESS_DENIED', 'no')) });
    await expect(plan()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('with wheels that are not there', async () => {
    await expect(plan({ estimator: { wheels: 's3://flowers/wheels' } })).rejects.toMatchObject({
      code: 'DATA_INVALID',
      message: expect.stringContaining('s3://flowers/wheels'),
      hint: expect.stringContaining('pytorch_estimator.wheels'),
    });
    at.bucket.put('wheels/one-1.whl', 'one');
    const { wheels } = channels(await plan({ estimator: { wheels: 's3://flowers/wheels/' } }));
    expect(wheels).toEqual(['S3Prefix', 's3://flowers/wheels/']);
  });

  it('with mistakes, which are told all at once, before anything is asked of S3', async () => {
    at.bucket.objects.clear();
    const estimator = {
      ...{ role: null, instance_type: 'ml.x', framework_version: '1.4', max_wait: 1, wheels: 'wheels' },
      ...{ environment: ['TOKEN=x'], secrets: ['B=x'] },
    };
    expect(await refused({ estimator, params: { data: { remote: '/mnt/data' } } })).toEqual([
      ...['data.remote', 'pytorch_estimator.wheels', 'pytorch_estimator.framework_version'],
      ...['pytorch_estimator.environment.0', 'pytorch_estimator.secrets.0', 'pytorch_estimator.role'],
      ...['pytorch_estimator.instance_type', 'pytorch_estimator.max_wait'],
    ]);
  });

  it('with data on another machine, since SageMaker reads S3 alone', async () => {
    const other = plan({ params: { data: { remote: '/mnt/data' } } });
    await expect(other).rejects.toThrow(/for a training on SageMaker, received "\/mnt\/data"/);
  });

  it('with mistakes that were known before, each told once', async () => {
    const known = { option: 'pytorch_estimator.max_wait', expected: 'at least max_run', received: '1' };
    const estimator = { max_wait: 1, instance_type: 'ml.x' };
    expect(await refused({ estimator, options: { issues: [known] } })).toEqual([
      ...['pytorch_estimator.max_wait', 'pytorch_estimator.instance_type'],
    ]);
    expect(await refused({ options: { issues: [known] } })).toEqual(['pytorch_estimator.max_wait']);
  });

  it('with a secret of this machine in what is sent', async () => {
    const [, secret] = CANARIES;
    expect(await refused({ secrets: [secret], estimator: { environment: [`OPTION=${secret}`] } })).toContain(
      'pytorch_estimator',
    );
    expect(
      await refused({
        secrets: [secret],
        params: { data: { remote: 's3://flowers/v1' }, mlflow: { experiment_name: secret } },
      }),
    ).toEqual(['params.yaml']);
  });

  it.each(['own', 'toolkit'] as const)('with a secret of this machine in code of its own (%s)', async (format) => {
    const [, secret] = CANARIES;
    write('code/start.sh', `export KEY=${secret}`);
    const given = { secrets: [secret], options: { format } };
    expect(await refused(given)).toEqual(['pytorch_estimator.source_dir']);
    await expect(plan(given)).rejects.toThrow(/"start\.sh" holds a secret of the environment or \.env/);
    await expect(plan(given)).rejects.not.toThrow(secret);
  });

  it.each([new T2IError('IO_FAILED', 'a fault of the machine'), new RangeError('a fault of the code')])(
    'by %s, which is told as it is, not as a mistake of an option',
    async (fault) => {
      const params = PARAMS.parse({});
      const { data } = params;
      // What looks again finds nothing wrong.
      const get = vi
        .fn(() => data)
        .mockImplementationOnce(() => {
          throw fault;
        });
      Object.defineProperty(params, 'data', { get });
      await expect(plan({ options: { params } })).rejects.toBe(fault);
    },
  );

  it('where the region is not known, which is told with what else is', async () => {
    const issue = { option: 'AWS_REGION', expected: 'a region', received: 'nothing' };
    const lost = new T2IError('OPTION_INVALID', 'no region', { issues: [issue], hint: 'Set it.' });
    const asked = { region: () => Promise.reject(lost) } as unknown as TrainingJobs;
    await expect(plan({ asked })).rejects.toBe(lost);
    const known = { option: 'unet.x', expected: 'a', received: 'b' };
    expect(await refused({ asked, estimator: { wheels: 'x' }, options: { issues: [known] } })).toEqual([
      ...['unet.x', 'pytorch_estimator.wheels', 'AWS_REGION'],
    ]);
    for (const other of [new T2IError('ACCESS_DENIED', 'no'), new Error('broken')]) {
      const away = { region: () => Promise.reject(other) } as unknown as TrainingJobs;
      await expect(plan({ asked: away, options: { issues: [known] } })).rejects.toBe(other);
    }
  });

  it.each(['own', 'toolkit'] as const)('where its code is not there, told with all else (%s)', async (format) => {
    const options = { format };
    expect(await refused({ estimator: { entry_point: 'absent.sh', role: null }, options })).toEqual([
      ...['pytorch_estimator.entry_point', 'pytorch_estimator.role'],
    ]);
    expect(await refused({ estimator: { source_dir: 'absent', instance_type: 'ml.x' }, options })).toEqual([
      ...['pytorch_estimator.source_dir', 'pytorch_estimator.instance_type'],
    ]);
  });
});

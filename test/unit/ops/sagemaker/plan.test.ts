import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import { dataAddress } from '../../../../src/ops/sagemaker/plan.js';
import {
  at,
  channels,
  freshProject,
  type Given,
  keyOf,
  MANIFEST,
  plan,
  sentParams,
  sha256,
  write,
} from './planning.js';

freshProject();

describe('a training job as it would be started', () => {
  it('is worked out, and nothing is sent before it is said', async () => {
    const preview = await plan();
    expect(at.bucket.written).toEqual([]);
    expect(preview.warnings).toEqual([]);
    expect(preview.cost).toMatchObject({ at_most: 5.89 });
    const { code, data, ...others } = channels(preview);
    expect(others).toEqual({});
    expect(code).toEqual(['S3Prefix', expect.stringMatching(/^s3:\/\/flowers\/v1\/code\/[0-9a-f]{32}\/$/)]);
    expect(data).toEqual([
      'ManifestFile',
      expect.stringMatching(/^s3:\/\/flowers\/v1\/code\/data-[0-9a-f]{32}\.json$/),
    ]);
    for (const channel of preview.request.InputDataConfig ?? [])
      expect(channel).toMatchObject({
        InputMode: 'File',
        DataSource: { S3DataSource: { S3DataDistributionType: 'FullyReplicated' } },
      });
    await preview.send();
    const folder = keyOf(code?.[1]);
    expect(at.bucket.written.sort()).toEqual([`${folder}code.tar`, `${folder}sm_entry.sh`, keyOf(data?.[1])].sort());
    expect(at.bucket.text(`${folder}sm_entry.sh`)).toBe('exec python train.py');
    expect(JSON.parse(at.bucket.text(keyOf(data?.[1])))).toEqual([
      { prefix: 's3://flowers/v1/' },
      ...['manifest.json', 'shards/a.tar', 'shards/b.tar'],
    ]);
    for (const key of at.bucket.written) {
      const { body, metadata } = at.bucket.objects.get(key) ?? {};
      expect(metadata?.sha256).toBe(sha256(body as Buffer));
    }
  });

  it('tells the container which code and data it is to find', async () => {
    const preview = await plan();
    await preview.send();
    const { HyperParameters, AlgorithmSpecification } = preview.request;
    const code = sha256(at.bucket.objects.get(`${keyOf(channels(preview).code?.[1])}code.tar`)?.body as Buffer);
    expect(HyperParameters).toMatchObject({
      ...{ t2i_code_sha256: code, t2i_data_sha256: sha256(JSON.stringify(MANIFEST)), t2i_run: 'run_1' },
    });
    expect(AlgorithmSpecification?.ContainerEntrypoint).toEqual(['/bin/bash']);
    expect(AlgorithmSpecification?.ContainerArguments).toEqual(['-c', expect.stringMatching(`sm_entry.sh" ${code}$`)]);
  });

  it('does not send again what is there', async () => {
    await (await plan()).send();
    at.bucket.written.length = 0;
    const again = await plan();
    await again.send();
    expect(at.bucket.written).toEqual([keyOf(channels(again).data?.[1])]);
    // Another's object in that place is replaced.
    const code = `${keyOf(channels(again).code?.[1])}code.tar`;
    at.bucket.put(code, 'other', { sha256: sha256('other') });
    await again.send();
    expect(at.bucket.written.slice(1)).toEqual([code, keyOf(channels(again).data?.[1])]);
  });

  it('has another name for other code, entry, data, models and wheels, and the same for the same', async () => {
    const names: unknown[] = [];
    const named = async (given: Given = {}) => void names.push((await plan(given)).request.TrainingJobName);
    const wheels = { estimator: { wheels: 's3://flowers/wheels' } };
    await named();
    write('code/train.py', 'print(2)');
    await named();
    write('code/start.sh', 'exec python -O train.py');
    await named();
    at.bucket.put(
      'v1/manifest.json',
      JSON.stringify({ ...MANIFEST, files: { x: { bytes: 1, sha256: 'c', archive: 'd' } } }),
    );
    await named();
    write('text/model.bin', 'weights');
    await named({ params: { clip: { model: 'text' } } });
    write('text/model.bin', 'others!');
    await named({ params: { clip: { model: 'text' } } });
    at.bucket.put('wheels/one-1.whl', 'one');
    await named(wheels);
    at.bucket.put('wheels/one-1.whl', 'two');
    await named(wheels);
    expect(new Set(names).size).toBe(names.length);
    await named(wheels);
    expect(names.at(-1)).toBe(names.at(-2));
  });

  it('sends models that are folders here along, and names where the container finds them', async () => {
    write('text/model.bin', 'text');
    const elsewhere = join(at.project, 'elsewhere');
    write('elsewhere/deep/vae.bin', 'vae');
    write('start/unet.bin', 'unet');
    const params = { clip: { model: 'text' }, vae: { model: elsewhere }, unet: { init_from: 'start' } };
    const preview = await plan({ params });
    await preview.send();
    const { models } = channels(preview);
    expect(models).toEqual(['S3Prefix', expect.stringMatching(/^s3:\/\/flowers\/v1\/inputs\/[0-9a-f]{32}\/$/)]);
    const { format, files } = JSON.parse(at.bucket.text(`${keyOf(models?.[1])}manifest.json`));
    expect(format).toBe('shards');
    expect(Object.keys(files)).toEqual(['models/clip/model.bin', 'models/vae/deep/vae.bin', 'models/init/unet.bin']);
    expect(sentParams(preview)).toMatchObject({
      ...{ clip: { model: 'models/clip' }, vae: { model: 'models/vae' }, unet: { init_from: 'models/init' } },
    });
  });

  it('leaves models of the Hub, and files, to the container', async () => {
    write('a-file', 'no folder');
    const params = { clip: { model: 'openai/clip' }, vae: { model: 'a-file' } };
    const preview = await plan({ params });
    await preview.send();
    expect(channels(preview).models).toBeUndefined();
    expect(at.bucket.keys('v1/inputs')).toEqual([]);
    expect(sentParams(preview)).toMatchObject({ ...params, unet: { init_from: null } });
  });

  it("takes the data from where they were pushed, which may be the estimator's own place", async () => {
    at.bucket.put('other/manifest.json', JSON.stringify(MANIFEST));
    const preview = await plan({ estimator: { s3_train_data: 's3://flowers/other' } });
    expect(channels(preview).data?.[1]).toMatch(/^s3:\/\/flowers\/other\/code\/data-/);
    expect(dataAddress(PARAMS.parse({ data: { remote: 's3://flowers/v1/' } }))).toEqual({
      bucket: 'flowers',
      key: 'v1',
    });
  });

  it('names an image of its own, whatever version of PyTorch is set', async () => {
    const { request, warnings } = await plan({ estimator: { image_uri: 'mine:1', framework_version: '1.4' } });
    expect([request.AlgorithmSpecification?.TrainingImage, warnings]).toEqual(['mine:1', []]);
    const old = await plan({ estimator: { framework_version: '2.6' } });
    expect(old.warnings).toEqual([expect.stringContaining('2026-01-29')]);
  });

  it('gives the container the variables and where secrets are kept', async () => {
    const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:mlflow-AbCdEf';
    const { request } = await plan({ estimator: { environment: ['A=1'], secrets: [`B=${arn}`] } });
    expect(request.Environment).toEqual({ A: '1', T2I_SECRET_B: arn });
  });

  it('pays for spot machines alone where that is set', async () => {
    expect((await plan()).request).toMatchObject({ EnableManagedSpotTraining: true });
    const { request, cost } = await plan({ estimator: { use_spot_instances: false } });
    expect(request).toMatchObject({ EnableManagedSpotTraining: false });
    expect(cost.note).not.toContain('spot');
  });
});

describe("a job that AWS's toolkit starts", () => {
  const toolkit = { options: { format: 'toolkit' as const } };

  it('has the code as the toolkit takes it, and no entry point of its own', async () => {
    const preview = await plan(toolkit);
    const { HyperParameters: { sagemaker_submit_directory: uri, ...others } = {}, AlgorithmSpecification } =
      preview.request;
    expect(others).toMatchObject({
      sagemaker_program: '"trainer/sagemaker/toolkit.py"',
      sagemaker_container_log_level: '20',
      sagemaker_region: '"eu-west-1"',
      sagemaker_torch_distributed_enabled: 'true',
      sagemaker_instance_type: '"ml.g4dn.xlarge"',
    });
    expect(AlgorithmSpecification).not.toHaveProperty('ContainerEntrypoint');
    expect(Object.keys(channels(preview))).toEqual(['data']);
    await preview.send();
    const key = keyOf(JSON.parse(uri as string));
    expect(key).toMatch(/^v1\/code\/[0-9a-f]{32}\/sourcedir\.tar\.gz$/);
    const { body, metadata } = at.bucket.objects.get(key) ?? {};
    expect(metadata?.sha256).toBe(sha256(body as Buffer));
    // By what is packed: another version of zlib would pack it to other bytes, under which it would be paid for again.
    expect(sha256(gunzipSync(body as Buffer))).toMatch(RegExp(`^${key.split('/')[2]}`));
  });
});

import { describe, expect, it } from 'vitest';
import { findSecrets } from '../../../../src/ops/params/secrets.js';

describe('secrets in params.yaml', () => {
  const token = `hf_${'aB3'.repeat(10)}`;

  it.each([
    ['a token of Hugging Face', { huggingface: { model_repo: token } }, 'huggingface.model_repo'],
    ['a key of AWS', { pytorch_estimator: { role: `AKIA${'ABCD1234'.repeat(2)}` } }, 'pytorch_estimator.role'],
    [
      'a token of DagsHub or another service',
      { mlflow: { run_name: '0123456789abcdef'.repeat(3).slice(0, 40) } },
      'mlflow.run_name',
    ],
    ['a token', { a: [`ghp_${'x1'.repeat(18)}`] }, 'a.0'],
    ['an API key', { a: { b: `sk-${'x1'.repeat(18)}` } }, 'a.b'],
    ['a web token', { a: `eyJ${'a'.repeat(20)}.eyJ${'b'.repeat(20)}.c` }, 'a'],
    ['a private key', { a: '-----BEGIN RSA PRIVATE KEY-----' }, 'a'],
    ['an address with a password', { mlflow: { server_uri: 'https://me:geheim@host/x' } }, 'mlflow.server_uri'],
    [
      'an address with a user, which may be a token',
      { mlflow: { server_uri: 'https://opensesame1@host/x' } },
      'mlflow.server_uri',
    ],
    [
      'an address with a secret',
      { data: { remote: 'https://host/x?part=1&X-Amz-Signature=opensesame1' } },
      'data.remote',
    ],
    [
      'an address with a secret',
      { mlflow: { server_uri: 'http://host/?access_token=opensesame1' } },
      'mlflow.server_uri',
    ],
  ])('are known by sight: %s', (form, params, option) => {
    const issues = findSecrets(params);
    expect(issues).toMatchObject([{ option, received: form, problem: expect.stringContaining('a variable in .env') }]);
    for (const secret of JSON.stringify(params).match(/[\w-]{10,}/g) ?? [])
      if (!option.includes(secret)) expect(JSON.stringify(issues)).not.toContain(secret);
  });

  it.each([
    [{ mlflow: { tracking_password: 'sesame' } }, 'MLFLOW_TRACKING_PASSWORD'],
    [{ mlflow: { tracking_username: 'anna' } }, 'MLFLOW_TRACKING_USERNAME'],
    [{ huggingface: { token: 'x' } }, 'HF_TOKEN'],
    [{ aws: { secret_access_key: 'x' } }, 'AWS_SECRET_ACCESS_KEY'],
    [{ aws: { access_key_id: 'x' } }, 'AWS_ACCESS_KEY_ID'],
    [{ other: { api_key: 'x' } }, 'a variable in .env'],
  ])('are known by their key: %j', (params, variable) => {
    const [issue] = findSecrets(params);
    expect(issue?.problem).toContain(variable);
    expect(issue?.problem).not.toContain('sesame');
  });

  it('are no ordinary values, and no placeholders', () => {
    expect(
      findSecrets({
        data: { raw: 'data/raw', train_size: 3 },
        mlflow: {
          server_uri: 'https://dagshub.com/anna/flowers.mlflow',
          tracking_password: 'YOUR_DAGSHUB_TOKEN',
          token: null,
        },
        pytorch_estimator: { role: 'arn:aws:iam::123456789012:role/SageMakerRole' },
        data_page: 'https://host/pictures?page=2&tokens=',
        unet: { block_out_channels: [192, 384, 576], tokens: 77 },
      }),
    ).toEqual([]);
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAwsSettings } from '../../../src/aws/settings.js';
import { awsSettings } from '../../../src/ops/aws-settings.js';
import { CANARIES } from '../../support/moto.js';

const [id, key] = CANARIES;
const KEYS = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key };

describe('the settings of AWS', () => {
  it('leave everything to the SDK where no variable says anything', () => {
    const nothing = { region: undefined, credentials: undefined, endpoints: {}, secrets: [] };
    expect(readAwsSettings({})).toEqual(nothing);
    expect(readAwsSettings({ AWS_REGION: '', AWS_ACCESS_KEY_ID: '', AWS_ENDPOINT_URL: '' })).toEqual(nothing);
  });

  it('take the region of AWS_REGION before that of AWS_DEFAULT_REGION', () => {
    expect(readAwsSettings({ AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'us-east-1' }).region).toBe('eu-west-1');
    expect(readAwsSettings({ AWS_REGION: '', AWS_DEFAULT_REGION: 'us-gov-east-1' }).region).toBe('us-gov-east-1');
    expect(readAwsSettings({ AWS_REGION: 'eu-west-1' }, { AWS_REGION: 'us-east-1' }).region).toBe('eu-west-1');
  });

  it('take the address of a service before that of all', () => {
    const all = 'http://127.0.0.1:5000';
    const s3 = 'https://minio.example/';
    expect(readAwsSettings({ AWS_ENDPOINT_URL: all, AWS_ENDPOINT_URL_S3: s3 }).endpoints).toEqual({
      S3: s3,
      SAGEMAKER: all,
      CLOUDWATCH_LOGS: all,
    });
    expect(readAwsSettings({ AWS_ENDPOINT_URL_S3: s3 }).endpoints).toEqual({ S3: s3 });
  });

  it.each([
    [
      { ...KEYS, AWS_SESSION_TOKEN: 'a token' },
      { accessKeyId: id, secretAccessKey: key, sessionToken: 'a token' },
    ],
    [
      { ...KEYS, AWS_SESSION_TOKEN: '' },
      { accessKeyId: id, secretAccessKey: key },
    ],
    [{ ...KEYS, AWS_SECRET_ACCESS_KEY: '' }, undefined],
    [{ AWS_SECRET_ACCESS_KEY: key }, undefined],
  ])('take credentials that are whole: %j', (env, credentials) => {
    expect(readAwsSettings(env).credentials).toEqual(credentials);
  });

  it('take no pair of keys from two places, nor a token', () => {
    const file = { AWS_ACCESS_KEY_ID: 'of the file', AWS_SECRET_ACCESS_KEY: 'of the file' };
    const whole = { accessKeyId: 'of the file', secretAccessKey: 'of the file' };
    expect(readAwsSettings({ AWS_ACCESS_KEY_ID: id, AWS_SESSION_TOKEN: 'a token' }, file).credentials).toEqual(whole);
    expect(readAwsSettings(KEYS, { ...file, AWS_SESSION_TOKEN: 'a token' }).credentials).toEqual({
      accessKeyId: id,
      secretAccessKey: key,
    });
  });

  it('know as secret the keys and tokens of both places, once each, but no other values', () => {
    const file = { AWS_SECRET_ACCESS_KEY: 'of the file', MLFLOW_TRACKING_PASSWORD: '8 signs!', HF_TOKEN: undefined };
    const env = {
      ...{ ...KEYS, AWS_SESSION_TOKEN: 'session token', HF_TOKEN: 'hf_token', HUGGING_FACE_HUB_TOKEN: 'hf_token' },
      ...{ MLFLOW_TRACKING_TOKEN: 'short', MLFLOW_TRACKING_USERNAME: 'a long name' },
      ...{ AWS_REGION: 'eu-west-1', HOME: '/home/anna', MY_AWS_SECRET_ACCESS_KEY: 'of another program' },
    };
    const { secrets } = readAwsSettings(env, file);
    expect([...secrets].sort()).toEqual(['of the file', '8 signs!', id, key, 'session token', 'hf_token'].sort());
  });

  it('tell every variable that cannot be right, and no secret of it', () => {
    const env = { AWS_REGION: 'Ireland', AWS_ENDPOINT_URL_S3: `http://${id}:${key}@x` };
    let error: unknown;
    try {
      readAwsSettings(env);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      code: 'OPTION_INVALID',
      issues: [
        { option: 'AWS_REGION', expected: 'a region such as eu-west-1', received: '"Ireland"' },
        { option: 'AWS_ENDPOINT_URL_S3', expected: 'an address such as http://127.0.0.1:5000' },
      ],
    });
    expect(JSON.stringify(error) + (error as Error).message).not.toContain(key);
  });

  it.each(['eu-west', 'EU-WEST-1', 'e-west-1', ' eu-west-1', 'eu-west-1a', 'eu-west-1.evil.example'])(
    'refuse the region %j',
    (region) => expect(() => readAwsSettings({ AWS_REGION: region })).toThrow('AWS_REGION: expected a region'),
  );

  it.each(['127.0.0.1:5000', 'ftp://host', 'see http://host', 'http://', 'http://host/path', 'http://host //'])(
    'refuse the address %j',
    (url) => expect(() => readAwsSettings({ AWS_ENDPOINT_URL_S3: url })).toThrow('AWS_ENDPOINT_URL_S3: expected'),
  );
});

describe("the settings of a project's .env", () => {
  let project: string;
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), 't2i-env-'));
  });
  afterEach(() => rmSync(project, { recursive: true }));

  it('hold where the environment says nothing', async () => {
    writeFileSync(
      join(project, '.env'),
      'AWS_ACCESS_KEY_ID=AKIAFILEFILEFILE0001\nAWS_SECRET_ACCESS_KEY="file secret"\nAWS_DEFAULT_REGION=eu-north-1\n',
    );
    expect(await awsSettings(project, {})).toMatchObject({
      region: 'eu-north-1',
      credentials: { accessKeyId: 'AKIAFILEFILEFILE0001', secretAccessKey: 'file secret' },
      secrets: ['AKIAFILEFILEFILE0001', 'file secret'],
    });
    expect(await awsSettings(project, { ...KEYS, AWS_REGION: 'eu-west-1' })).toMatchObject({
      region: 'eu-west-1',
      credentials: { accessKeyId: id, secretAccessKey: key },
    });
  });

  it('are none where there is no such file', async () => {
    expect(await awsSettings(project, { AWS_REGION: 'eu-west-1' })).toMatchObject({ region: 'eu-west-1', secrets: [] });
    expect(await awsSettings(join(project, 'gone'), {})).toMatchObject({ region: undefined, secrets: [] });
  });

  it('are not passed over where the file cannot be read', async () => {
    mkdirSync(join(project, '.env'));
    await expect(awsSettings(project, {})).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(`Cannot read ${join(project, '.env')}`),
    });
  });
});

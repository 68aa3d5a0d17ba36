import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awsError } from '../../../src/aws/errors.js';
import { parseS3Address } from '../../../src/aws/s3-address.js';
import { S3Store } from '../../../src/aws/s3-store.js';
import { awsSettings } from '../../../src/ops/aws-settings.js';
import { TrainingJobs } from '../../../src/ops/sagemaker/client.js';
import { answer, FakeServer } from '../../support/fake-server.js';
import { freePort } from '../../support/free-port.js';
import { CANARIES } from '../../support/moto.js';

const signal = new AbortController().signal;
const address = { bucket: 'flowers', key: 'data' };
const [id, key] = CANARIES;

describe('what S3 answers', () => {
  let server: Server;
  let url: string;
  let answer: { status: number; code: string; headers?: Record<string, string>; message?: string };

  beforeAll(async () => {
    server = createServer((_, response) => {
      const { status, code, headers = {}, message = 'in its own words' } = answer;
      response.writeHead(status, { 'content-type': 'application/xml', ...headers });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterAll(() => server.close());

  const settings = (changes: Record<string, string> = {}) =>
    awsSettings('/nowhere', {
      ...{ AWS_ENDPOINT_URL: url, AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key },
      ...changes,
    });
  const failure = async (given: typeof answer) => {
    answer = given;
    const store = await S3Store.open(await settings());
    return store.read(address, signal).catch((error: Error) => error);
  };

  it.each([
    [403, 'InvalidAccessKeyId', 'ACCESS_DENIED', 'AWS does not accept these credentials'],
    [403, 'SignatureDoesNotMatch', 'ACCESS_DENIED', 'AWS does not accept these credentials'],
    [400, 'ExpiredToken', 'ACCESS_DENIED', 'the AWS credentials have expired'],
    [403, 'AccessDenied', 'ACCESS_DENIED', 'these AWS credentials may not do that'],
    [404, 'NoSuchBucket', 'REMOTE_NOT_FOUND', 'the bucket does not exist'],
    [404, 'NoSuchKey', 'REMOTE_NOT_FOUND', 'it is not there'],
    [412, 'PreconditionFailed', 'REMOTE_CONFLICT', 'something else changed it meanwhile, or it is there already'],
    [403, 'RequestTimeTooSkewed', 'REMOTE_REFUSED', "this machine's clock differs too much from that of AWS"],
    [400, 'AuthorizationHeaderMalformed', 'OPTION_INVALID', 'the bucket is in another region'],
    [418, 'SomethingNew', 'REMOTE_REFUSED', 'AWS refused: in its own words (SomethingNew)'],
  ])('%s %s is %s: %s', async (status, code, expected, says) => {
    expect(await failure({ status, code })).toMatchObject({
      code: expected,
      message: `Cannot read s3://flowers/data: ${says}`,
    });
  });

  it('names the region that the bucket is in', async () => {
    const headers = { 'x-amz-bucket-region': 'us-east-2' };
    expect(await failure({ status: 301, code: 'PermanentRedirect', headers })).toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('the bucket is in another region (us-east-2)'),
      issues: [{ option: 'AWS_REGION', expected: 'us-east-2' }],
    });
  });

  it('quotes no secret that AWS repeats, nor does what it was caused by', async () => {
    const error = (await failure({ status: 400, code: 'Strange', message: `key ${id} with ${key}` })) as Error;
    expect(error.message).toContain('key *** with ***');
    const everything = [
      error.message,
      error.stack,
      JSON.stringify(error),
      String(error.cause),
      (error.cause as Error).stack,
    ];
    expect(JSON.stringify(error.cause)).not.toContain('x-amz-');
    for (const canary of CANARIES) expect(everything.join('\n')).not.toContain(canary);
  });

  it('a server that is away is NETWORK_FAILED', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const store = await S3Store.open(await settings({ AWS_ENDPOINT_URL: away }));
    await expect(store.read(address, signal)).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringContaining('AWS could not be reached'),
    });
  });
});

describe('what SageMaker answers', () => {
  let server: FakeServer;
  let refusal: { __type: string; message: string };
  beforeAll(async () => {
    server = await FakeServer.start((_, response) =>
      answer(response, 400, refusal, { 'x-amzn-errortype': refusal.__type }),
    );
  });
  afterAll(() => server.close());

  const role = 'arn:aws:iam::123456789012:role/trainer';

  it.each([
    [
      'ValidationException',
      `Could not assume role ${role}. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role.`,
      'ACCESS_DENIED',
      `SageMaker may not assume the role (${role})`,
      /pytorch_estimator\.role.*sagemaker\.amazonaws\.com/,
    ],
    [
      'AccessDeniedException',
      `User: arn:aws:iam::123456789012:user/anna is not authorized to perform: iam:PassRole on resource: ${role}`,
      'ACCESS_DENIED',
      'these AWS credentials may not do that (iam:PassRole)',
      /docs\/sagemaker\.md/,
    ],
    [
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key.',
      'ACCESS_DENIED',
      'AWS does not accept these credentials',
      /AWS_SECRET_ACCESS_KEY/,
    ],
    [
      'InvalidSignatureException',
      'Signature expired: 20261127T000000Z is now earlier than 20261127T010000Z (20261127T010500Z - 5 min.)',
      'REMOTE_REFUSED',
      "this machine's clock differs too much from that of AWS",
      /Set the clock/,
    ],
    [
      'ResourceLimitExceeded',
      'The account-level service limit',
      'REMOTE_REFUSED',
      'the account has no quota for it',
      /Service Quotas/,
    ],
    ['ValidationException', 'other', 'REMOTE_REFUSED', 'AWS refused: other (ValidationException)', /undefined/],
  ])('%s, "%s" is %s: %s', async (kind, message, code, says, hint) => {
    refusal = { __type: kind, message };
    const env = { AWS_ENDPOINT_URL: server.url, AWS_REGION: 'eu-west-1' };
    const settings = await awsSettings('/nowhere', { ...env, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key });
    const jobs = await TrainingJobs.open(settings);
    const error = await jobs.create({ TrainingJobName: 'one' } as never, signal).catch((thrown) => thrown);
    jobs.close();
    expect([error.code, error.message]).toEqual([code, `Cannot start the training job one: ${says}`]);
    expect(`${error.hint}`).toMatch(hint);
  });
});

describe('what this machine lacks', () => {
  it('credentials are asked for', () => {
    const error = Object.assign(new Error('Could not load credentials from any providers'), {
      name: 'CredentialsProviderError',
    });
    expect(awsError(error, 'Cannot write', [])).toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'Cannot write: there are no AWS credentials',
      hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    });
  });

  it('a region is asked for', () => {
    expect(awsError(new Error('Region is missing'), 'Cannot write', [])).toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'AWS_REGION' }],
    });
  });

  it('space on the disk is told as such', () => {
    const error = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    expect(awsError(error, 'Cannot fetch the model', [])).toMatchObject({
      code: 'IO_FAILED',
      message: 'Cannot fetch the model: the disk is full or cannot be written (ENOSPC)',
    });
  });
});

describe('the settings of AWS', () => {
  it('come from the environment, and else from .env, a pair of keys from one of the two', async () => {
    const project = mkdtempSync(join(tmpdir(), 't2i-env-'));
    writeFileSync(
      join(project, '.env'),
      'AWS_ACCESS_KEY_ID=AKIAFILEFILEFILE0001\nAWS_SECRET_ACCESS_KEY="file secret"\nAWS_DEFAULT_REGION=eu-north-1\nHF_TOKEN=hf_fromthefile1234567\n',
    );
    const file = await awsSettings(project, {});
    expect(file).toMatchObject({
      region: 'eu-north-1',
      credentials: { accessKeyId: 'AKIAFILEFILEFILE0001', secretAccessKey: 'file secret' },
      secrets: expect.arrayContaining(['file secret', 'hf_fromthefile1234567']),
    });
    const both = await awsSettings(project, {
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: key,
    });
    expect(both).toMatchObject({ region: 'eu-west-1', credentials: { accessKeyId: id, secretAccessKey: key } });
    const half = await awsSettings(project, { AWS_ACCESS_KEY_ID: id });
    expect(half.credentials?.accessKeyId).toBe('AKIAFILEFILEFILE0001');
    rmSync(project, { recursive: true });
  });

  it('tell every variable that cannot be right', async () => {
    const env = { AWS_REGION: 'Ireland', AWS_ENDPOINT_URL_S3: `http://${id}:${key}@x` };
    const error = await awsSettings('/nowhere', env).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'OPTION_INVALID' });
    expect(error.issues.map(({ option }: { option: string }) => option)).toEqual(['AWS_REGION', 'AWS_ENDPOINT_URL_S3']);
    expect(error.message).not.toContain(key);
  });
});

describe('an address in S3', () => {
  it.each([
    ['s3://', 'names no bucket'],
    ['s3:///key', 'names no bucket'],
    ['s3://bucket', 'has no prefix after the bucket'],
    ['s3://bucket/', 'has no prefix after the bucket'],
    ['s3://Bucket_1/key', '"Bucket_1" is no name of a bucket'],
    ['s3://b/key', '"b" is no name of a bucket'],
    ['s3://bucket/a//b', 'expected a prefix of parts with names'],
    ['s3://bucket/../b', 'expected a prefix of parts with names'],
    ['S3://bucket/b', 'expected s3://BUCKET/PREFIX, received'],
  ])('%s is refused: %s', (text, problem) => {
    expect(() => parseS3Address(text, 'data.remote')).toThrow(problem);
  });

  it('is a bucket and a key', () => {
    expect(parseS3Address('s3://my.bucket-1/a/b/', 'data.remote')).toEqual({ bucket: 'my.bucket-1', key: 'a/b' });
  });
});

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { S3Store } from '../../../src/aws/s3-store.js';
import { awsSettings } from '../../../src/ops/aws-settings.js';
import { TrainingJobs } from '../../../src/ops/sagemaker/client.js';
import { answer, FakeServer } from '../../support/fake-server.js';
import { freePort } from '../../support/free-port.js';
import { CANARIES } from '../../support/moto.js';
import { UntrustedServer } from '../../support/self-signed.js';

const signal = new AbortController().signal;
const address = { bucket: 'flowers', key: 'data' };
const [id, key] = CANARIES;
/** The SDK waits before it tries again for a part of a time that is drawn: of no time where 0 is drawn. */
afterEach(() => void vi.restoreAllMocks());

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

  it.each([
    ['HEAD', 403, 'ACCESS_DENIED', 'these AWS credentials may not do that'],
    ['HEAD', 412, 'REMOTE_CONFLICT', 'something else changed it meanwhile, or it is there already'],
    ['HEAD', 418, 'REMOTE_REFUSED', 'AWS refused: UnknownError (418)'],
    ['HEAD', 429, 'NETWORK_FAILED', 'AWS could not be reached, or was too busy each time'],
    ['HEAD', 500, 'NETWORK_FAILED', 'AWS could not be reached, or was too busy each time'],
  ])('%s %i, which has no body, is %s: %s', async (_, status, expected, says) => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    answer = { status, code: 'None' };
    const store = await S3Store.open(await settings());
    await expect(store.head(address, signal)).rejects.toMatchObject({
      code: expected,
      message: `Cannot look at s3://flowers/data: ${says}`,
    });
  });

  it('a server that is away is NETWORK_FAILED', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
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

it('a server in the place of S3 whose certificate nobody signed is told with what to set', async () => {
  const server = await UntrustedServer.start();
  onTestFinished(() => server.close());
  const store = await S3Store.open(
    await awsSettings('/nowhere', {
      ...{ AWS_ENDPOINT_URL: server.url, AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key },
    }),
  );
  await expect(store.read(address, signal)).rejects.toMatchObject({
    code: 'NETWORK_FAILED',
    message: expect.stringMatching(
      /: this machine does not trust the certificate of the server: self-signed certificate$/,
    ),
    hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  });
  expect(server.connections).toBe(1);
});

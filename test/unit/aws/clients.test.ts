import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeLogStreamsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { ListTrainingJobsCommand } from '@aws-sdk/client-sagemaker';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openLogs, openS3, openSageMaker } from '../../../src/aws/clients.js';
import { readAwsSettings } from '../../../src/aws/settings.js';
import { CANARIES } from '../../support/moto.js';

const [id, key] = CANARIES;
const ENV = { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key };

interface Request {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}
interface Client {
  // biome-ignore lint/suspicious/noExplicitAny: each client has types of its own for the same
  readonly config: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  send(command: any): Promise<unknown>;
  destroy(): void;
}

/** The request that a client would send. Nothing is sent. */
async function requestOf(client: Client, command: unknown): Promise<Request> {
  let sent: Request | undefined;
  client.config.requestHandler = {
    handle: async (request: Request) => {
      sent = request;
      throw new Error('not sent');
    },
    destroy: () => {},
  };
  await expect(client.send(command)).rejects.toThrow('not sent');
  client.destroy();
  return sent as Request;
}

const addressOf = ({ protocol, hostname, port, path }: Request) =>
  `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
const s3 = async (env: Record<string, string>) =>
  requestOf(await openS3(readAwsSettings(env)), new HeadObjectCommand({ Bucket: 'flowers', Key: 'a' }));
const sageMaker = async (env: Record<string, string>) =>
  requestOf(await openSageMaker(readAwsSettings(env)), new ListTrainingJobsCommand({}));
const logs = async (env: Record<string, string>) =>
  requestOf(await openLogs(readAwsSettings(env)), new DescribeLogStreamsCommand({ logGroupName: 'a' }));

describe('a client of AWS', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 't2i-aws-'));
    // What this machine is set up for does not count.
    for (const name of Object.keys(process.env)) if (/^AWS_(?!SDK_)/.test(name)) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_CONFIG_FILE', join(home, 'config'));
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(home, 'credentials'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  });

  it('asks the service of the region, in the name of the keys', async () => {
    const requests = [await s3(ENV), await sageMaker(ENV), await logs(ENV)];
    expect(requests.map(addressOf)).toEqual([
      'https://flowers.s3.eu-west-1.amazonaws.com/a',
      'https://api.sagemaker.eu-west-1.amazonaws.com/',
      'https://logs.eu-west-1.amazonaws.com/',
    ]);
    for (const { headers } of requests) expect(headers.authorization).toContain(`Credential=${id}/`);
  });

  it('asks another server, which has no name for each bucket, where an address is given', async () => {
    const env = {
      ...ENV,
      AWS_ENDPOINT_URL_S3: 'http://minio.example:5001',
      AWS_ENDPOINT_URL_SAGEMAKER: 'http://127.0.0.1:5002',
      AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: 'http://127.0.0.1:5003',
    };
    expect([await s3(env), await sageMaker(env), await logs(env)].map(addressOf)).toEqual([
      'http://minio.example:5001/flowers/a',
      'http://127.0.0.1:5002/',
      'http://127.0.0.1:5003/',
    ]);
  });

  it('sends the session token of keys that have one', async () => {
    const { headers } = await s3({ ...ENV, AWS_SESSION_TOKEN: 'the token' });
    expect(headers['x-amz-security-token']).toBe('the token');
  });

  it('takes the region and the keys of a profile where no variable has any', async () => {
    writeFileSync(
      join(home, 'config'),
      '[profile t2i]\nregion = eu-north-1\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = of the profile\n',
    );
    vi.stubEnv('AWS_PROFILE', 't2i');
    const request = await s3({});
    expect(addressOf(request)).toBe('https://flowers.s3.eu-north-1.amazonaws.com/a');
    expect(request.headers.authorization).toContain('Credential=AKIAPROFILE/');
  });
});

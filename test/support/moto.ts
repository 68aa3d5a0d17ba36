import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from './free-port.js';
import { pythonOf } from './python.js';

/** The environment of DVC, MLflow and moto. */
export const OPS = pythonOf('test/ops/requirements.lock');

/** Secrets that may appear nowhere. */
export const CANARIES = ['AKIACANARYCANARY0001', 'canary/secret/canary/secret/canary/secret'] as const;

const REGION = 'eu-west-1' as const;

export interface Moto {
  readonly url: string;
  /** What a command needs to reach it. */
  readonly env: Readonly<Record<string, string>>;
  /** For what the tests look up themselves. */
  readonly s3: S3Client;
  makeBucket(name: string): Promise<void>;
  /** Forgets all that was made, and makes a bucket. */
  reset(bucket: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts moto, which stands in for AWS, on a free port. */
export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(join(dirname(OPS.python), 'moto_server'), ['-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  });
  await isUp(url, child);
  const [accessKeyId, secretAccessKey] = CANARIES;
  const env = {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const credentials = { accessKeyId, secretAccessKey };
  const s3 = new S3Client({ endpoint: url, region: env.AWS_REGION, credentials, forcePathStyle: true });
  const makeBucket = async (Bucket: string) => {
    const CreateBucketConfiguration = { LocationConstraint: REGION };
    await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
  };
  const reset = async (bucket: string) => {
    await fetch(`${url}/moto-api/reset`, { method: 'POST' });
    await makeBucket(bucket);
  };
  const close = async () => {
    s3.destroy();
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  return { url, env, s3, makeBucket, reset, close };
}

async function isUp(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const answer = await fetch(`${url}/moto-api/`).catch(() => null);
    if (answer !== null) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`moto ended with ${child.exitCode}`);
}

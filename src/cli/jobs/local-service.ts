import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { openLogs } from '../../aws/clients.js';
import { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import { awsSettings } from '../../ops/aws-settings.js';
import { noFaults } from '../../ops/sagemaker/local/faults.js';
import { LocalSageMaker } from '../../ops/sagemaker/local/server.js';
import { toolkitCommand } from '../../ops/sagemaker/local/toolkit-command.js';
import { trainerPython } from '../../python/environment.js';
import type { Io } from '../io.js';
import { StatusLine } from '../status-line.js';

/** As the service gives a container to end. */
const GRACE = 120_000;
const EVERY = 500;

/**
 * Runs SageMaker's stand-in while `work` runs. Jobs that still run then are stopped.
 *
 * @param python given interpreter of the trainer
 * @throws T2IError OPTION_INVALID without a region; IO_FAILED where the port is taken
 */
export async function withLocalService<T>(
  project: string,
  port: number,
  python: string | undefined,
  io: Io,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const settings = await awsSettings(project, io.env);
  if (settings.region === undefined) {
    const issue = { option: 'AWS_REGION', expected: 'a region such as eu-west-1', received: 'nothing' };
    throw new T2IError('OPTION_INVALID', 'AWS_REGION: expected a region such as eu-west-1, received nothing', {
      issues: [issue],
      hint: 'Set it in the environment or .env.',
    });
  }
  const status = new StatusLine(io);
  const interpreter = await trainerPython(python, (line) => status.show(line), io.signal).finally(() => status.clear());
  const folder = await mkdtemp(join(tmpdir(), 't2i-sagemaker-'));
  const [store, logs] = [await S3Store.open(settings), await openLogs(settings)];
  try {
    const service = await LocalSageMaker.start(
      {
        ...{ store, logs, work: folder, region: settings.region, port: freePort },
        ...{ faults: noFaults(), grace: GRACE, every: EVERY, imageCommand: toolkitCommand(interpreter) },
        env: containerEnv(interpreter, settings, io),
      },
      port,
    ).catch((cause: Error) => {
      throw new T2IError('IO_FAILED', `Cannot listen on 127.0.0.1:${port}: ${cause.message}`, {
        hint: 'Choose another --port, or leave it out.',
        cause,
      });
    });
    try {
      return await work(service.url);
    } finally {
      await service.close();
    }
  } finally {
    store.close();
    logs.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a container has: nothing of this shell's, but what stands for the role of the job. */
function containerEnv(
  python: string,
  { region = '', credentials, endpoints }: Awaited<ReturnType<typeof awsSettings>>,
  { env }: Io,
): Record<string, string> {
  return {
    PATH: [dirname(python), env.PATH ?? process.env.PATH ?? ''].join(delimiter),
    HOME: env.HOME ?? tmpdir(),
    LANG: 'C.UTF-8',
    OMP_NUM_THREADS: String(Math.max(1, Math.floor(availableParallelism() / 2))),
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    ...(credentials
      ? { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey }
      : {}),
    ...(credentials?.sessionToken ? { AWS_SESSION_TOKEN: credentials.sessionToken } : {}),
    ...(endpoints.S3 ? { AWS_ENDPOINT_URL: endpoints.S3 } : {}),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

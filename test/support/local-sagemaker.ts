import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openLogs } from '../../src/aws/clients.js';
import { S3Store } from '../../src/aws/s3-store.js';
import type { AwsSettings } from '../../src/aws/settings.js';
import { awsSettings } from '../../src/ops/aws-settings.js';
import { TrainingJobs } from '../../src/ops/sagemaker/client.js';
import { type Faults, noFaults } from '../../src/ops/sagemaker/local/faults.js';
import { LocalSageMaker } from '../../src/ops/sagemaker/local/server.js';
import { toolkitCommand } from '../../src/ops/sagemaker/local/toolkit-command.js';
import { freePort } from './free-port.js';
import type { Moto } from './moto.js';

export interface LocalService {
  readonly faults: Faults;
  readonly settings: AwsSettings;
  /** What a command needs to reach it, and moto. */
  readonly env: Readonly<Record<string, string>>;
  readonly store: S3Store;
  readonly jobs: TrainingJobs;
  /** Where the hosts' folders lie. */
  readonly work: string;
  close(): Promise<void>;
}

/** Starts SageMaker's stand-in, with moto for S3 and the logs. */
export async function startLocalService(
  moto: Moto,
  changes: { python?: string; grace?: number; containerEnv?: Readonly<Record<string, string>> } = {},
): Promise<LocalService> {
  const work = mkdtempSync(join(tmpdir(), 't2i-hosts-'));
  const { python } = changes;
  const faults = noFaults();
  const outside = await awsSettings('/nowhere', moto.env);
  const [store, logs] = [await S3Store.open(outside), await openLogs(outside)];
  const service = await LocalSageMaker.start({
    ...{ store, logs, faults, work, region: moto.env.AWS_REGION as string, port: freePort },
    env: {
      ...{ PATH: [...(python ? [dirname(python)] : []), process.env.PATH].join(':'), OMP_NUM_THREADS: '1' },
      ...changes.containerEnv,
    },
    ...{ imageCommand: toolkitCommand(python ?? 'python3'), grace: changes.grace ?? 30_000, every: 50 },
  });
  const env = { ...moto.env, AWS_ENDPOINT_URL_SAGEMAKER: service.url };
  const settings = await awsSettings('/nowhere', env);
  const jobs = await TrainingJobs.open(settings);
  const close = async () => {
    await service.close();
    jobs.close();
    store.close();
    logs.destroy();
    rmSync(work, { recursive: true, force: true });
  };
  return { faults, settings, env, store, jobs, work, close };
}

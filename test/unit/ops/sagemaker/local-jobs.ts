import { createHash } from 'node:crypto';
import type { Channel, CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { followJob } from '../../../../src/ops/sagemaker/follow.js';
import { jobStatus } from '../../../../src/ops/sagemaker/job.js';
import { noFaults } from '../../../../src/ops/sagemaker/local/faults.js';
import { CloudWatchSource, LogFollower } from '../../../../src/ops/sagemaker/logs.js';
import { METRIC_DEFINITIONS } from '../../../../src/ops/sagemaker/metrics.js';
import { type LocalService, startLocalService } from '../../../support/local-sagemaker.js';
import { type Moto, startMoto } from '../../../support/moto.js';

export const signal = new AbortController().signal;

/** SageMaker on this machine, with moto for S3 and the logs; both are there while the tests of a file run. */
export const at = { moto: null as unknown as Moto, local: null as unknown as LocalService };

/** Starts both, and empties S3 and the faults before each test. */
export function freshService(): void {
  beforeAll(async () => {
    at.moto = await startMoto();
    at.local = await startLocalService(at.moto, { grace: 500 });
  });
  afterAll(async () => {
    await at.local?.close();
    await at.moto?.close();
  });
  beforeEach(async () => {
    Object.assign(at.local.faults, noFaults());
    await at.moto.reset('flowers');
    await put('in/a/b.txt', 'input');
  });
}

function put(key: string, text: string): Promise<void> {
  const body = Buffer.from(text);
  const sha256 = createHash('sha256').update(body).digest('hex');
  return at.local.store.write({ bucket: 'flowers', key }, body, sha256, signal);
}

/** A job whose container runs the script in its input `code`. */
function jobOf(name: string, changes: Partial<CreateTrainingJobRequest>): CreateTrainingJobRequest {
  return {
    TrainingJobName: name,
    RoleArn: 'arn:aws:iam::123456789012:role/trainer',
    AlgorithmSpecification: {
      TrainingImage: 'image',
      TrainingInputMode: 'File',
      ContainerEntrypoint: ['/bin/bash'],
      ContainerArguments: ['-c', 'cd $T2I_ML_ROOT && exec bash input/data/code/run.sh'],
      MetricDefinitions: METRIC_DEFINITIONS,
    },
    HyperParameters: { t2i_run: 'one' },
    InputDataConfig: [channel('data', 'in'), channel('code', `code/${name}`)],
    OutputDataConfig: { S3OutputPath: 's3://flowers/out' },
    CheckpointConfig: { S3Uri: `s3://flowers/checkpoints/${name}` },
    ResourceConfig: { InstanceType: 'ml.g4dn.xlarge', InstanceCount: 2, VolumeSizeInGB: 10 },
    StoppingCondition: { MaxRuntimeInSeconds: 600 },
    ...changes,
  };
}

function channel(ChannelName: string, key: string): Channel {
  const S3Uri = `s3://flowers/${key}/`;
  return {
    ChannelName,
    DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri, S3DataDistributionType: 'FullyReplicated' } },
  };
}

export const spot = {
  EnableManagedSpotTraining: true,
  StoppingCondition: { MaxRuntimeInSeconds: 600, MaxWaitTimeInSeconds: 600 },
};

/** A job whose containers run a script. */
export async function request(script: string, changes: Partial<CreateTrainingJobRequest> = {}) {
  const name = `t2i-test-${createHash('sha256').update(script).digest('hex').slice(0, 12)}`;
  await put(`code/${name}/run.sh`, script);
  return jobOf(name, changes);
}

/** Starts a job and follows it to its end. */
export async function run(given: CreateTrainingJobRequest, onLine: (line: string) => void = () => {}) {
  await at.local.jobs.create(given, signal);
  return follow(given.TrainingJobName as string, onLine);
}

export async function follow(name: string, onLine: (line: string) => void = () => {}) {
  const lines: string[] = [];
  const source = await CloudWatchSource.open(name, at.local.settings);
  const log = new LogFollower(source, ({ host, text }) => {
    lines.push(`${host} ${text}`);
    onLine(text);
  });
  const job = await followJob({ every: 30, log, signal, describe: () => at.local.jobs.describe(name, signal) });
  source.close();
  return { job, lines, status: jobStatus(job) };
}

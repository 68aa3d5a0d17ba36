import type { CreateTrainingJobRequest, TrainingInstanceType } from '@aws-sdk/client-sagemaker';
import { below, formatS3Address, type S3Address } from '../../aws/s3-address.js';
import type { Issue } from '../../errors.js';
import type { Params } from '../params/schema.js';
import { batchParameters } from './batch.js';
import { METRIC_DEFINITIONS } from './metrics.js';
import { jobName } from './names.js';

/** What the container finds under /opt/ml/checkpoints, and the service keeps in S3. */
const CHECKPOINTS = '/opt/ml/checkpoints';

export interface RequestParts {
  readonly params: Params;
  readonly image: string;
  readonly spot: boolean;
  readonly channels: CreateTrainingJobRequest['InputDataConfig'];
  readonly environment: Readonly<Record<string, string>>;
  /** Of the container's format: how it is started, and what it reads. */
  readonly start: {
    readonly ContainerEntrypoint?: string[];
    readonly ContainerArguments?: string[];
    readonly hyperParameters: Readonly<Record<string, string>>;
  };
  /** Hashes of what the inputs hold, which their addresses do not tell. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Where jobs keep what they make. */
  readonly base: S3Address;
}

/** The request for a training; its name is made of all the rest. */
export function buildRequest(parts: RequestParts): CreateTrainingJobRequest {
  const { params, image, spot, channels, environment, start, hashes, base } = parts;
  const { hyperParameters, ...command } = start;
  const { role, instance_count, instance_type, volume_size, max_run, max_wait } = params.pytorch_estimator;
  const run = params.mlflow.run_name;
  const config = {
    RoleArn: role ?? undefined,
    AlgorithmSpecification: {
      TrainingImage: image,
      TrainingInputMode: 'File' as const,
      ...command,
      MetricDefinitions: METRIC_DEFINITIONS,
    },
    HyperParameters: { ...hyperParameters, t2i_run: run, ...batchParameters(params.training), ...hashes },
    InputDataConfig: channels,
    ResourceConfig: {
      InstanceType: instance_type as TrainingInstanceType,
      InstanceCount: instance_count,
      VolumeSizeInGB: volume_size,
    },
    StoppingCondition: { MaxRuntimeInSeconds: max_run, ...(spot ? { MaxWaitTimeInSeconds: max_wait } : {}) },
    EnableManagedSpotTraining: spot,
    Environment: environment,
  };
  const TrainingJobName = jobName(run, config);
  return {
    TrainingJobName,
    ...config,
    ...outputs(below(base, `jobs/${TrainingJobName}`)),
    Tags: [{ Key: 't2i:run', Value: run }],
  };
}

/** Where an attempt leaves its model and all attempts their checkpoints. */
export function outputs(job: S3Address) {
  return {
    OutputDataConfig: { S3OutputPath: formatS3Address(below(job, 'output')) },
    CheckpointConfig: { S3Uri: formatS3Address(below(job, 'checkpoints')), LocalPath: CHECKPOINTS },
  };
}

/** What the parameters call a part of the request. */
const OPTIONS: Readonly<Record<string, string>> = {
  RoleArn: 'pytorch_estimator.role',
  'AlgorithmSpecification.TrainingImage': 'pytorch_estimator.image_uri',
  'ResourceConfig.InstanceType': 'pytorch_estimator.instance_type',
  'ResourceConfig.InstanceCount': 'pytorch_estimator.instance_count',
  'ResourceConfig.VolumeSizeInGB': 'pytorch_estimator.volume_size',
  'StoppingCondition.MaxRuntimeInSeconds': 'pytorch_estimator.max_run',
  'StoppingCondition.MaxWaitTimeInSeconds': 'pytorch_estimator.max_wait',
};

/** The issue under the name that the user knows. */
export function withOptionName(issue: Issue): Issue {
  const environment = issue.option.replace(/^Environment\./, 'pytorch_estimator.environment: ');
  return { ...issue, option: OPTIONS[issue.option] ?? environment };
}

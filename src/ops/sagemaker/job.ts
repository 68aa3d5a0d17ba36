import type { DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { T2IError } from '../../errors.js';

/** A training job as `t2i jobs status` tells it; names are those of the JSON. */
export interface JobStatus {
  readonly name: string;
  readonly run: string | null;
  readonly status: string;
  /** Where it is in its course, for example Downloading or Interrupted. */
  readonly stage: string | null;
  readonly failure: string | null;
  readonly machines: string;
  readonly spot: boolean;
  readonly created: string | null;
  readonly ended: string | null;
  readonly training_seconds: number | null;
  readonly billable_seconds: number | null;
  /** Seconds that were trained and not paid for, thanks to spot instances. */
  readonly saved_seconds: number | null;
  readonly saved_percent: number | null;
  /** The last value of each figure. */
  readonly figures: Readonly<Record<string, number>>;
  /** How often the machines were taken away. */
  readonly interruptions: number;
  readonly model: string | null;
  readonly checkpoints: string | null;
}

const ENDED = ['Completed', 'Failed', 'Stopped'];

export function hasEnded({ TrainingJobStatus: status }: DescribeTrainingJobResponse): boolean {
  return ENDED.includes(`${status}`);
}

export function jobStatus(job: DescribeTrainingJobResponse): JobStatus {
  const { TrainingTimeInSeconds: trained, BillableTimeInSeconds: billed, ResourceConfig: resources } = job;
  const saved = trained === undefined || billed === undefined ? null : Math.max(0, trained - billed);
  return {
    name: job.TrainingJobName ?? '',
    run: runOf(job) ?? null,
    status: job.TrainingJobStatus ?? 'Unknown',
    stage: job.SecondaryStatus ?? null,
    failure: job.FailureReason ?? null,
    machines: `${resources?.InstanceCount} x ${resources?.InstanceType}`,
    spot: job.EnableManagedSpotTraining === true,
    created: job.CreationTime?.toISOString() ?? null,
    ended: job.TrainingEndTime?.toISOString() ?? null,
    training_seconds: trained ?? null,
    billable_seconds: billed ?? null,
    saved_seconds: saved,
    saved_percent: saved === null || !trained ? null : Math.round((saved / trained) * 1000) / 10,
    figures: Object.fromEntries(
      (job.FinalMetricDataList ?? []).map(({ MetricName = '', Value = Number.NaN }) => [MetricName, Value]),
    ),
    interruptions: job.SecondaryStatusTransitions?.filter(({ Status }) => Status === 'Interrupted').length ?? 0,
    model: job.ModelArtifacts?.S3ModelArtifacts ?? null,
    checkpoints: job.CheckpointConfig?.S3Uri ?? null,
  };
}

/** The run that a job trains; undefined where the job is not one of ours. */
export function runOf({ HyperParameters = {} }: DescribeTrainingJobResponse): string | undefined {
  return HyperParameters.t2i_run;
}

/** Why a job came to nothing. */
export function jobFailed(job: DescribeTrainingJobResponse): T2IError {
  const { TrainingJobName: name, TrainingJobStatus: status, SecondaryStatus: stage, FailureReason: reason } = job;
  const how =
    status === 'Stopped'
      ? `was stopped${stage === 'MaxWaitTimeExceeded' || stage === 'MaxRuntimeExceeded' ? ` (${stage})` : ''}`
      : 'failed';
  const message = `The training job ${name} ${how}${reason ? `: ${reason}` : ''}`;
  return new T2IError('JOB_FAILED', message, {
    hint: `Its log: t2i jobs logs ${name}. It goes on from its last checkpoint by: t2i jobs resume ${name}`,
  });
}

import type { CreateTrainingJobRequest, DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { batchOf, machinesIssues } from './batch.js';
import type { TrainingJobs } from './client.js';
import { hasEnded, jobFailed } from './job.js';
import { attemptName, readAttempt } from './names.js';
import type { TrainingPreview } from './plan.js';

export interface Submitted {
  readonly name: string;
  /** False where the job was there already: nothing new is paid for. */
  readonly created: boolean;
}

/**
 * Starts a training, unless it was started before: the same training has the same name.
 *
 * @throws T2IError JOB_FAILED where it was started before and came to nothing: that it is to be paid for again is said by `t2i jobs resume`
 */
export async function submit(
  preview: Pick<TrainingPreview, 'request' | 'send'>,
  jobs: TrainingJobs,
  signal: AbortSignal,
): Promise<Submitted> {
  const name = preview.request.TrainingJobName as string;
  const there = await newestAttempt(name, jobs, signal);
  if (there !== null) return attach(there);
  await preview.send();
  return create(preview.request, jobs, signal);
}

/**
 * Goes on with a training that failed or was stopped, from its checkpoints.
 *
 * @param machines how many from now on; as many as before where it is left out
 * @throws T2IError REMOTE_CONFLICT where the job runs or is done, REMOTE_NOT_FOUND, OPTION_INVALID for machines that cannot share its batch
 */
export async function resume(
  name: string,
  jobs: TrainingJobs,
  signal: AbortSignal,
  machines?: number,
): Promise<Submitted> {
  const { base } = readAttempt(name);
  const newest = (await newestAttempt(base, jobs, signal)) ?? (await jobs.describe(name, signal));
  const newestName = newest.TrainingJobName as string;
  const { TrainingJobStatus: status } = newest;
  if (status !== 'Failed' && status !== 'Stopped') {
    throw new T2IError('REMOTE_CONFLICT', `The training job ${newestName} is ${status}; there is nothing to resume`, {
      hint: `Follow it: t2i jobs logs ${newestName} --follow`,
    });
  }
  if (machines !== undefined) refuseMachines(newest, machines);
  const request = again(newest, attemptName(base, readAttempt(newestName).attempt + 1));
  const ResourceConfig = { ...request.ResourceConfig, ...(machines && { InstanceCount: machines }) };
  return create({ ...request, ResourceConfig }, jobs, signal);
}

function refuseMachines({ HyperParameters, ResourceConfig }: DescribeTrainingJobResponse, count: number): void {
  const batch = batchOf(HyperParameters);
  // A job of an earlier version does not tell: its trainer does, when it has started.
  if (batch === undefined) return;
  refuse(machinesIssues(batch, { type: `${ResourceConfig?.InstanceType}`, count }, 'instanceCount'));
}

/** The request that made a job, under another name; it finds the checkpoints of the one before. */
function again(job: DescribeTrainingJobResponse, TrainingJobName: string): CreateTrainingJobRequest {
  const { RoleArn, AlgorithmSpecification, HyperParameters, InputDataConfig, OutputDataConfig } = job;
  const { CheckpointConfig, ResourceConfig, StoppingCondition, EnableManagedSpotTraining, Environment } = job;
  const { TrainingImage, TrainingInputMode, ContainerEntrypoint, ContainerArguments, MetricDefinitions } =
    AlgorithmSpecification ?? {};
  return {
    ...{ TrainingJobName, RoleArn, HyperParameters, InputDataConfig, OutputDataConfig, CheckpointConfig },
    AlgorithmSpecification: {
      ...{ TrainingImage, TrainingInputMode: TrainingInputMode ?? 'File', MetricDefinitions },
      ...(ContainerEntrypoint ? { ContainerEntrypoint, ContainerArguments } : {}),
    },
    ...{ ResourceConfig, StoppingCondition, EnableManagedSpotTraining, Environment },
    Tags: [{ Key: 't2i:run', Value: HyperParameters?.t2i_run ?? '' }],
  };
}

/** A request that is on its way is waited for, whatever the signal says by then: else nobody would know that it is paid for. */
async function create(request: CreateTrainingJobRequest, jobs: TrainingJobs, signal: AbortSignal): Promise<Submitted> {
  const name = request.TrainingJobName as string;
  signal.throwIfAborted();
  const never = new AbortController().signal;
  try {
    await jobs.create(request, never);
    return { name, created: true };
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'REMOTE_CONFLICT') throw error;
    // Another process was faster, or an answer was lost and the request sent again.
    return attach(await jobs.describe(name, never));
  }
}

function attach(job: DescribeTrainingJobResponse): Submitted {
  if (hasEnded(job) && job.TrainingJobStatus !== 'Completed') throw jobFailed(job);
  return { name: job.TrainingJobName as string, created: false };
}

/** Null where the training was never started. */
async function newestAttempt(base: string, jobs: TrainingJobs, signal: AbortSignal) {
  if ((await jobs.find(base, signal)) === null) return null;
  const named = (await jobs.list(base, 1000, signal)).map(({ TrainingJobName = '' }) => readAttempt(TrainingJobName));
  const attempts = named.filter((each) => each.base === base).map(({ attempt }) => attempt);
  return jobs.describe(attemptName(base, Math.max(1, ...attempts)), signal);
}

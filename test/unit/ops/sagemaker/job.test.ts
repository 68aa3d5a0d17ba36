import type { DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { describe, expect, it } from 'vitest';
import { hasEnded, jobFailed, jobStatus } from '../../../../src/ops/sagemaker/job.js';

const job = (changes: object) => changes as DescribeTrainingJobResponse;

describe('the status of a job', () => {
  it('tells where it is, what it cost, and what it made', () => {
    const found = job({
      TrainingJobName: 't2i-one',
      TrainingJobStatus: 'Completed',
      SecondaryStatus: 'Completed',
      HyperParameters: { t2i_run: 'one' },
      ResourceConfig: { InstanceType: 'ml.g5.xlarge', InstanceCount: 3 },
      EnableManagedSpotTraining: true,
      CreationTime: new Date(0),
      TrainingEndTime: new Date(60_000),
      TrainingTimeInSeconds: 90,
      BillableTimeInSeconds: 31,
      FinalMetricDataList: [
        { MetricName: 'lr', Value: 1e-5 },
        { MetricName: 'grad_norm', Value: 2 },
      ],
      SecondaryStatusTransitions: ['Starting', 'Interrupted', 'Starting', 'Interrupted', 'Completed'].map((Status) => ({
        Status,
      })),
      ModelArtifacts: { S3ModelArtifacts: 's3://b/model.tar.gz' },
      CheckpointConfig: { S3Uri: 's3://b/checkpoints' },
    });
    expect(jobStatus(found)).toEqual({
      ...{ name: 't2i-one', run: 'one', status: 'Completed', stage: 'Completed', failure: null },
      ...{ machines: '3 x ml.g5.xlarge', spot: true },
      ...{ created: '1970-01-01T00:00:00.000Z', ended: '1970-01-01T00:01:00.000Z' },
      ...{ training_seconds: 90, billable_seconds: 31, saved_seconds: 59, saved_percent: 65.6 },
      ...{ figures: { lr: 1e-5, grad_norm: 2 }, interruptions: 2 },
      ...{ model: 's3://b/model.tar.gz', checkpoints: 's3://b/checkpoints' },
    });
  });

  it('says nothing of what the service does not tell yet', () => {
    expect(jobStatus(job({}))).toEqual({
      ...{ name: '', run: null, status: 'Unknown', stage: null, failure: null },
      ...{ machines: 'undefined x undefined', spot: false, created: null, ended: null },
      ...{ training_seconds: null, billable_seconds: null, saved_seconds: null, saved_percent: null },
      ...{ figures: {}, interruptions: 0, model: null, checkpoints: null },
    });
    expect(
      jobStatus(job({ ResourceConfig: {}, ModelArtifacts: {}, CheckpointConfig: {}, FailureReason: 'broken' })),
    ).toMatchObject({
      ...{ model: null, checkpoints: null, failure: 'broken' },
    });
  });

  it.each<[number | undefined, number | undefined, number | null, number | null]>([
    [100, 100, 0, 0],
    [100, undefined, null, null],
    [undefined, 100, null, null],
    // Machines that were paid for longer than they trained saved nothing.
    [100, 120, 0, 0],
    [0, 0, 0, null],
    [3, 2, 1, 33.3],
  ])('of %s seconds of which %s were paid for has %s saved, %s %%', (trained, billed, saved, percent) => {
    expect(jobStatus(job({ TrainingTimeInSeconds: trained, BillableTimeInSeconds: billed }))).toMatchObject({
      ...{ training_seconds: trained ?? null, billable_seconds: billed ?? null },
      ...{ saved_seconds: saved, saved_percent: percent },
    });
  });
});

describe('the end of a job', () => {
  it('is one of three', () => {
    const statuses = ['Completed', 'Failed', 'Stopped', 'InProgress', 'Stopping', undefined];
    expect(statuses.map((TrainingJobStatus) => hasEnded(job({ TrainingJobStatus })))).toEqual([
      ...[true, true, true, false, false, false],
    ]);
  });

  it.each([
    ['Failed', 'Failed', 'AlgorithmError: no images', 'failed: AlgorithmError: no images'],
    ['Failed', 'MaxWaitTimeExceeded', undefined, 'failed'],
    ['Stopped', 'Stopped', undefined, 'was stopped'],
    ['Stopped', 'MaxWaitTimeExceeded', undefined, 'was stopped (MaxWaitTimeExceeded)'],
    ['Stopped', 'MaxRuntimeExceeded', 'too long', 'was stopped (MaxRuntimeExceeded): too long'],
  ])('is told: %s, %s, %s', (TrainingJobStatus, SecondaryStatus, FailureReason, says) => {
    const error = jobFailed(job({ TrainingJobName: 't2i-one', TrainingJobStatus, SecondaryStatus, FailureReason }));
    expect(error).toMatchObject({ code: 'JOB_FAILED', message: `The training job t2i-one ${says}` });
    expect(error.hint).toMatch(/t2i jobs logs t2i-one.*t2i jobs resume t2i-one/);
  });
});

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { describe, expect, it } from 'vitest';
import { jobFailed, jobStatus } from '../../../../src/ops/sagemaker/job.js';
import { CANARIES, OPS } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';
import { at, freshService, request, run, signal, spot } from './local-jobs.js';

describe('SageMaker on this machine', skipFor(OPS.lack), () => {
  freshService();

  const keys = async (prefix: string) => {
    const found: string[] = [];
    for await (const { key } of at.local.store.list({ bucket: 'flowers', key: prefix }, signal))
      found.push(key.slice(prefix.length + 1));
    return found;
  };
  const stages = ({ SecondaryStatusTransitions = [] }: DescribeTrainingJobResponse) =>
    SecondaryStatusTransitions.map(({ Status }) => Status);

  it('gives each container what the contract promises, and keeps what it leaves', async () => {
    const script = `cat input/data/data/a/b.txt; echo
      python3 -c 'import json
for name in ("hyperparameters", "resourceconfig", "inputdataconfig"): print(json.dumps(json.load(open(f"input/config/{name}.json")), sort_keys=True))'
      echo "$TRAINING_JOB_NAME step=1 lr=1e-05 val_diffuser_loss=0.25"
      echo "$OPTION" > model/$(basename $PWD).txt`;
    const { job, lines } = await run(await request(script, { Environment: { OPTION: 'given' } }));
    expect(job.TrainingJobStatus).toBe('Completed');
    expect(stages(job)).toEqual(['Starting', 'Downloading', 'Training', 'Uploading', 'Completed']);
    const second = lines.filter((line) => line.startsWith('algo-2')).map((line) => line.slice('algo-2 '.length));
    expect(second.slice(0, 2)).toEqual(['input', '{"t2i_run": "one"}']);
    expect(JSON.parse(second[2] as string)).toEqual({
      current_host: 'algo-2',
      current_instance_type: 'ml.g4dn.xlarge',
      hosts: ['algo-1', 'algo-2'],
      network_interface_name: 'lo',
    });
    expect(JSON.parse(second[3] as string).data).toMatchObject({ TrainingInputMode: 'File' });
    expect(jobStatus(job).figures).toEqual({ lr: 1e-5, val_diffuser_loss: 0.25 });
    expect(job.ModelArtifacts?.S3ModelArtifacts).toBe(`s3://flowers/out/${job.TrainingJobName}/output/model.tar.gz`);
    expect(JSON.stringify(job)).not.toContain(CANARIES[1]);
  });

  it('tells why a container failed, and ends the others', async () => {
    const script = `[ $(basename $PWD) = algo-1 ] && exec sleep 600
      echo "no images" > output/failure; exit 3`;
    const { job } = await run(await request(script));
    expect(job.TrainingJobStatus).toBe('Failed');
    expect(job.FailureReason).toBe('AlgorithmError: no images, exit code: 3');
  });

  it('asks containers to stop by SIGTERM, and ends those that do not', async () => {
    const script = `trap 'echo asked; [ $(basename $PWD) = algo-1 ] && echo kept > model/kept && exit 0' TERM
      echo ready; while true; do sleep 0.1; done`;
    const given = await request(script);
    const name = given.TrainingJobName as string;
    let ready = 0;
    const { job, lines } = await run(given, (line) => {
      if (line === 'ready' && ++ready === 2) void at.local.jobs.stop(name, signal);
    });
    expect(lines.filter((line) => line.endsWith('asked')).length).toBe(2);
    expect([job.TrainingJobStatus, job.SecondaryStatus]).toEqual(['Stopped', 'Stopped']);
    await expect(at.local.jobs.stop(name, signal)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });

  it('takes spot machines away, and starts anew with the checkpoints that were there', async () => {
    const script = `cd checkpoints
      ls | tr '\\n' ' '; echo "found"
      [ -f second ] && exit 0
      trap 'touch second; rm first; exit 0' TERM
      touch first; sleep 0.3; echo "step=1"
      while true; do sleep 0.1; done`;
    at.local.faults.interruptAt.push(/step=1/);
    const one = { ResourceConfig: { InstanceType: 'ml.g4dn.xlarge' as const, InstanceCount: 1, VolumeSizeInGB: 10 } };
    const given = await request(script, { ...spot, ...one });
    const { job, lines, status } = await run(given);
    expect(stages(job)).toEqual([
      ...['Starting', 'Downloading', 'Training', 'Interrupted'],
      ...['Starting', 'Downloading', 'Training', 'Uploading', 'Completed'],
    ]);
    expect(lines).toEqual(['algo-1 found', 'algo-1 step=1', 'algo-1 second found']);
    expect(await keys(`checkpoints/${given.TrainingJobName}`)).toEqual(['second']);
    expect(status).toMatchObject({ interruptions: 1, spot: true });
    expect(status.billable_seconds).toBeLessThanOrEqual(status.training_seconds as number);
  });

  it('keeps checkpoints in S3 while a container runs: what goes without notice starts anew with them', async () => {
    const script = `trap 'echo asked' TERM; cd checkpoints
      ls | tr '\\n' ' '; echo "found"
      [ -f first ] && exit 0
      touch first; until [ -f ../go ]; do sleep 0.05; done
      echo "step=1"; while true; do sleep 0.1; done`;
    Object.assign(at.local.faults, { interruptAt: [/step=1/], withoutNotice: true });
    const one = { ResourceConfig: { InstanceType: 'ml.g4dn.xlarge' as const, InstanceCount: 1, VolumeSizeInGB: 10 } };
    const given = await request(script, { ...spot, ...one });
    const name = given.TrainingJobName as string;
    const running = run(given);
    await expect.poll(() => keys(`checkpoints/${name}`), { timeout: 60_000 }).toEqual(['first']);
    const [attempt = ''] = readdirSync(join(at.local.work, name));
    writeFileSync(join(at.local.work, name, attempt, 'algo-1/go'), '');
    const { lines, status } = await running;
    expect(lines).toEqual(['algo-1 found', 'algo-1 step=1', 'algo-1 first found']);
    expect(status).toMatchObject({ status: 'Completed', interruptions: 1 });
  });

  it('ends a job that takes too long, and keeps its model, and one that waits too long for machines', async () => {
    const limits = { MaxRuntimeInSeconds: 1, MaxWaitTimeInSeconds: 1 };
    const script = 'touch model/kept; while true; do sleep 0.1; done';
    const { job: slow } = await run(await request(script, { StoppingCondition: { MaxRuntimeInSeconds: 1 } }));
    expect([slow.TrainingJobStatus, slow.SecondaryStatus]).toEqual(['Stopped', 'MaxRuntimeExceeded']);
    expect(slow.ModelArtifacts?.S3ModelArtifacts).toContain('model.tar.gz');
    expect(jobFailed(slow).message).toBe(`The training job ${slow.TrainingJobName} was stopped (MaxRuntimeExceeded)`);
    at.local.faults.capacity = Number.POSITIVE_INFINITY;
    const { job: waited } = await run(await request('echo never', { ...spot, StoppingCondition: limits }));
    expect([waited.TrainingJobStatus, waited.SecondaryStatus]).toEqual(['Stopped', 'MaxWaitTimeExceeded']);
    expect(waited.ModelArtifacts).toBeUndefined();
    expect(jobFailed(waited).message).toContain('was stopped (MaxWaitTimeExceeded)');
  });

  it('has no machines at times: spot jobs wait, others fail', async () => {
    at.local.faults.capacity = 2;
    expect((await run(await request('echo waited', spot))).job.TrainingJobStatus).toBe('Completed');
    at.local.faults.capacity = 1;
    const { job } = await run(await request('echo failed'));
    expect(job.FailureReason).toContain('CapacityError');
  });

  it('refuses what the service refuses, all of it at once', async () => {
    const wrong = await request('true', {
      TrainingJobName: 'with_underscore',
      RoleArn: 'role',
      StoppingCondition: { MaxRuntimeInSeconds: 29 * 86_400 },
      Environment: { LONG: 'x'.repeat(513) },
    });
    const error = await at.local.jobs.create(wrong, signal).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'REMOTE_REFUSED' });
    for (const part of ['4 validation errors', 'TrainingJobName', 'RoleArn', 'MaxRuntimeInSeconds', 'Environment.LONG'])
      expect((error as Error).message).toContain(part);
  });

  it('fails a job whose input is not there', async () => {
    await at.local.store.remove('flowers', ['in/a/b.txt'], signal);
    const { job } = await run(await request('true # no input'));
    expect(job.FailureReason).toContain('No S3 objects found under s3://flowers/in/');
  });

  it('answers the SDK of this machine alone', async () => {
    const { AWS_ENDPOINT_URL_SAGEMAKER: url = '' } = at.local.env;
    const post = (headers: Record<string, string>) => fetch(url, { method: 'POST', body: '{}', headers });
    expect((await post({ 'content-type': 'text/plain' })).status).toBe(403);
    expect((await post({ 'x-amz-target': 'SageMaker.ListTrainingJobs' })).status).toBe(403);
  });
});

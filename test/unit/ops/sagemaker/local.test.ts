import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Channel, CreateTrainingJobRequest, DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { followJob } from '../../../../src/ops/sagemaker/follow.js';
import { jobFailed, jobStatus } from '../../../../src/ops/sagemaker/job.js';
import { CloudWatchSource, LogFollower } from '../../../../src/ops/sagemaker/logs.js';
import { METRIC_DEFINITIONS } from '../../../../src/ops/sagemaker/metrics.js';
import { resume, submit } from '../../../../src/ops/sagemaker/submit.js';
import { type LocalService, startLocalService } from '../../../support/local-sagemaker.js';
import { CANARIES, type Moto, OPS, startMoto } from '../../../support/moto.js';
import { skipFor } from '../../../support/skip-for.js';

const signal = new AbortController().signal;

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

const spot = {
  EnableManagedSpotTraining: true,
  StoppingCondition: { MaxRuntimeInSeconds: 600, MaxWaitTimeInSeconds: 600 },
};

describe('SageMaker on this machine', skipFor(OPS.lack), () => {
  let moto: Moto;
  let local: LocalService;

  beforeAll(async () => {
    moto = await startMoto();
    local = await startLocalService(moto, { grace: 500 });
  });
  afterAll(async () => {
    await local?.close();
    await moto?.close();
  });
  beforeEach(async () => {
    Object.assign(local.faults, { interruptAt: [], withoutNotice: false, capacity: 0, throttle: 0, linesOfStream: 0 });
    await fetch(`${moto.url}/moto-api/reset`, { method: 'POST' });
    await moto.makeBucket('flowers');
    await put('in/a/b.txt', 'input');
  });

  const put = (key: string, text: string) => {
    const body = Buffer.from(text);
    return local.store.write({ bucket: 'flowers', key }, body, createHash('sha256').update(body).digest('hex'), signal);
  };
  /** A job whose containers run a script. */
  const request = async (script: string, changes: Partial<CreateTrainingJobRequest> = {}) => {
    const name = `t2i-test-${createHash('sha256').update(script).digest('hex').slice(0, 12)}`;
    await put(`code/${name}/run.sh`, script);
    return jobOf(name, changes);
  };
  const keys = async (prefix: string) => {
    const found: string[] = [];
    for await (const { key } of local.store.list({ bucket: 'flowers', key: prefix }, signal))
      found.push(key.slice(prefix.length + 1));
    return found;
  };
  /** Starts a job and follows it to its end. */
  const run = async (given: CreateTrainingJobRequest, onLine: (line: string) => void = () => {}) => {
    await local.jobs.create(given, signal);
    return follow(given.TrainingJobName as string, onLine);
  };
  const follow = async (name: string, onLine: (line: string) => void = () => {}) => {
    const lines: string[] = [];
    const source = await CloudWatchSource.open(name, local.settings);
    const log = new LogFollower(source, ({ host, text }) => {
      lines.push(`${host} ${text}`);
      onLine(text);
    });
    const job = await followJob({ every: 30, log, signal, describe: () => local.jobs.describe(name, signal) });
    source.close();
    return { job, lines, status: jobStatus(job) };
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
      if (line === 'ready' && ++ready === 2) void local.jobs.stop(name, signal);
    });
    expect(lines.filter((line) => line.endsWith('asked')).length).toBe(2);
    expect([job.TrainingJobStatus, job.SecondaryStatus]).toEqual(['Stopped', 'Stopped']);
    await expect(local.jobs.stop(name, signal)).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });

  it('takes spot machines away, and starts anew with the checkpoints that were there', async () => {
    const script = `cd checkpoints
      ls | tr '\\n' ' '; echo "found"
      [ -f second ] && exit 0
      trap 'touch second; rm first; exit 0' TERM
      touch first; sleep 0.3; echo "step=1"
      while true; do sleep 0.1; done`;
    local.faults.interruptAt.push(/step=1/);
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
    Object.assign(local.faults, { interruptAt: [/step=1/], withoutNotice: true });
    const one = { ResourceConfig: { InstanceType: 'ml.g4dn.xlarge' as const, InstanceCount: 1, VolumeSizeInGB: 10 } };
    const given = await request(script, { ...spot, ...one });
    const name = given.TrainingJobName as string;
    const running = run(given);
    await expect.poll(() => keys(`checkpoints/${name}`), { timeout: 60_000 }).toEqual(['first']);
    const [attempt = ''] = readdirSync(join(local.work, name));
    writeFileSync(join(local.work, name, attempt, 'algo-1/go'), '');
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
    local.faults.capacity = Number.POSITIVE_INFINITY;
    const { job: waited } = await run(await request('echo never', { ...spot, StoppingCondition: limits }));
    expect([waited.TrainingJobStatus, waited.SecondaryStatus]).toEqual(['Stopped', 'MaxWaitTimeExceeded']);
    expect(waited.ModelArtifacts).toBeUndefined();
    expect(jobFailed(waited).message).toContain('was stopped (MaxWaitTimeExceeded)');
  });

  it('has no machines at times: spot jobs wait, others fail', async () => {
    local.faults.capacity = 2;
    expect((await run(await request('echo waited', spot))).job.TrainingJobStatus).toBe('Completed');
    local.faults.capacity = 1;
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
    const error = await local.jobs.create(wrong, signal).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'REMOTE_REFUSED' });
    for (const part of ['4 validation errors', 'TrainingJobName', 'RoleArn', 'MaxRuntimeInSeconds', 'Environment.LONG'])
      expect((error as Error).message).toContain(part);
  });

  it('fails a job whose input is not there', async () => {
    await local.store.remove('flowers', ['in/a/b.txt'], signal);
    const { job } = await run(await request('true # no input'));
    expect(job.FailureReason).toContain('No S3 objects found under s3://flowers/in/');
  });

  it('answers the SDK of this machine alone', async () => {
    const { AWS_ENDPOINT_URL_SAGEMAKER: url = '' } = local.env;
    const post = (headers: Record<string, string>) => fetch(url, { method: 'POST', body: '{}', headers });
    expect((await post({ 'content-type': 'text/plain' })).status).toBe(403);
    expect((await post({ 'x-amz-target': 'SageMaker.ListTrainingJobs' })).status).toBe(403);
  });

  describe('with a client', () => {
    const preview = (given: CreateTrainingJobRequest) => {
      const sent = { times: 0 };
      const send = async () => {
        sent.times++;
      };
      return { request: given, send, sent };
    };

    it('that is refused for a while goes on', async () => {
      local.faults.throttle = 2;
      expect((await run(await request('echo throttled'))).job.TrainingJobStatus).toBe('Completed');
    });

    it('starts a training once, however often it is asked and whatever answer is lost', async () => {
      const given = preview(await request('echo once'));
      const before = (await local.jobs.list('t2i-', 1000, signal)).length;
      // What follows is the request that starts it.
      const losing = { ...given, send: async () => void Object.assign(local.faults, { lostAnswers: 1 }) };
      expect(await submit(losing, local.jobs, signal)).toMatchObject({ name: given.request.TrainingJobName });
      expect(local.faults.lostAnswers).toBe(0);
      expect(await submit(given, local.jobs, signal)).toMatchObject({ created: false });
      await follow(given.request.TrainingJobName as string);
      expect(await submit(given, local.jobs, signal)).toMatchObject({ created: false });
      expect((await local.jobs.list('t2i-', 1000, signal)).length).toBe(before + 1);
    });

    it('starts two at once as one', async () => {
      const given = preview(await request('echo twice'));
      const both = await Promise.all([submit(given, local.jobs, signal), submit(given, local.jobs, signal)]);
      expect(both.filter(({ created }) => created).length).toBe(1);
    });

    it('pays again for a training that failed only where that is said, and goes on from its checkpoints', async () => {
      const script = `cd checkpoints; [ -f mine ] && exit 0; touch mine; sleep 0.3; exit 1`;
      const given = preview(await request(script));
      const name = given.request.TrainingJobName as string;
      await submit(given, local.jobs, signal);
      expect((await follow(name)).job.TrainingJobStatus).toBe('Failed');
      const again = submit(given, local.jobs, signal);
      await expect(again).rejects.toMatchObject({
        code: 'JOB_FAILED',
        hint: expect.stringContaining(`t2i jobs resume ${name}`),
      });
      expect(await resume(name, local.jobs, signal)).toEqual({ name: `${name}-2`, created: true });
      expect((await follow(`${name}-2`)).job.TrainingJobStatus).toBe('Completed');
      expect(await submit(given, local.jobs, signal)).toEqual({ name: `${name}-2`, created: false });
      await expect(resume(name, local.jobs, signal)).rejects.toMatchObject({ code: 'REMOTE_CONFLICT' });
    });

    it('goes on with another number of machines, which have its checkpoints', async () => {
      const script = `[ -f checkpoints/first ] && echo "$TRAINING_JOB_NAME goes on" && exit 0
        touch checkpoints/first; exit 1`;
      const given = preview(await request(script));
      const name = given.request.TrainingJobName as string;
      await submit(given, local.jobs, signal);
      await follow(name);
      expect(await resume(name, local.jobs, signal, 1)).toEqual({ name: `${name}-2`, created: true });
      const { job, lines } = await follow(`${name}-2`);
      expect(job.ResourceConfig).toMatchObject({ InstanceCount: 1, InstanceType: 'ml.g4dn.xlarge' });
      expect(lines).toEqual([`algo-1 ${name}-2 goes on`]);
    });

    it('reads every line once, in whichever streams they are', async () => {
      local.faults.linesOfStream = 7;
      const { lines } = await run(
        await request('for i in $(seq 40); do echo line $i; [ $((i % 9)) = 0 ] && sleep 0.05; done; true'),
      );
      for (const host of ['algo-1', 'algo-2']) {
        const own = lines.filter((line) => line.startsWith(host));
        expect(own).toEqual(Array.from({ length: 40 }, (_, at) => `${host} line ${at + 1}`));
      }
    });
  });
});

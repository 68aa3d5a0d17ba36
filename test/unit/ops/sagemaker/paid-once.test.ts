import type { CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TrainingJobs } from '../../../../src/ops/sagemaker/client.js';
import { attemptName } from '../../../../src/ops/sagemaker/names.js';
import { resume, submit } from '../../../../src/ops/sagemaker/submit.js';
import { awsLike, OfflineSageMaker } from '../../../support/offline-sagemaker.js';

const NAME = 't2i-run-1-0123456789ab';
const REQUEST: CreateTrainingJobRequest = {
  TrainingJobName: NAME,
  RoleArn: 'arn:aws:iam::123456789012:role/trainer',
  AlgorithmSpecification: {
    TrainingImage: 'image',
    TrainingInputMode: 'File',
    ContainerEntrypoint: ['/bin/bash'],
    ContainerArguments: ['-c', 'true'],
    MetricDefinitions: [{ Name: 'lr', Regex: 'lr=(.*)' }],
  },
  HyperParameters: { t2i_run: 'run_1', t2i_batch_size: '24', t2i_gradient_accumulation_steps: '2' },
  InputDataConfig: [
    { ChannelName: 'data', DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://b/v1' } } },
  ],
  OutputDataConfig: { S3OutputPath: 's3://b/v1/jobs/one/output' },
  CheckpointConfig: { S3Uri: 's3://b/v1/jobs/one/checkpoints', LocalPath: '/opt/ml/checkpoints' },
  ResourceConfig: { InstanceType: 'ml.g4dn.xlarge', InstanceCount: 2, VolumeSizeInGB: 50 },
  StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 90 },
  EnableManagedSpotTraining: true,
  Environment: { OPTION: 'given' },
  Tags: [{ Key: 't2i:run', Value: 'run_1' }],
};

let service: OfflineSageMaker;
let jobs: TrainingJobs;
let sent: number;
const { signal } = new AbortController();

beforeEach(async () => {
  service = new OfflineSageMaker();
  jobs = await service.open();
  sent = 0;
});
afterEach(() => {
  jobs.close();
  vi.restoreAllMocks();
});

const start = (request = REQUEST, until = signal) => submit({ request, send: async () => void sent++ }, jobs, until);
/** Attempts that came to these ends, the first before. */
const attempts = (...statuses: ('Failed' | 'Stopped' | 'InProgress' | 'Completed' | 'Stopping')[]) => {
  for (const [at, TrainingJobStatus] of statuses.entries()) {
    const TrainingJobName = attemptName(NAME, at + 1);
    service.add(TrainingJobName, { ...(REQUEST as object), TrainingJobStatus, TrainingJobName });
  }
};

describe('a training that is asked for', () => {
  it('is started when what it reads is there', async () => {
    service.instead.CreateTrainingJob = [
      (input) => {
        expect(sent).toBe(1);
        return service.create(input as never);
      },
    ];
    expect(await start()).toEqual({ name: NAME, created: true });
    expect(service.created).toEqual([NAME]);
    expect(service.jobs.get(NAME)).toMatchObject(REQUEST);
  });

  it.each(['InProgress', 'Stopping', 'Completed'] as const)(
    'is not paid for again while it is %s, nor is anything sent',
    async (status) => {
      attempts(status);
      expect(await start()).toEqual({ name: NAME, created: false });
      expect([service.created, sent]).toEqual([[], 0]);
    },
  );

  it.each(['Failed', 'Stopped'] as const)('that %s is not paid for again, which is said', async (status) => {
    attempts(status);
    await expect(start()).rejects.toMatchObject({
      code: 'JOB_FAILED',
      hint: expect.stringContaining(`t2i jobs resume ${NAME}`),
    });
    expect([service.created, sent]).toEqual([[], 0]);
  });

  it('is the newest of its attempts, whichever order they are listed in', async () => {
    attempts(...Array(9).fill('Failed'), 'InProgress');
    expect(await start()).toEqual({ name: `${NAME}-10`, created: false });
    const listed = [...service.jobs];
    service.jobs.clear();
    for (const [name, job] of listed.reverse()) service.jobs.set(name, job);
    expect(await start()).toEqual({ name: `${NAME}-10`, created: false });
  });

  it('is not another one whose name begins so', async () => {
    attempts('InProgress');
    for (const other of [`${NAME}-again`, `${NAME}-1234`, `${NAME}-0123456789ab-7`, `${NAME}0-8`]) service.add(other);
    expect(await start()).toEqual({ name: NAME, created: false });
  });

  it('is started once where another process is faster', async () => {
    const both = await Promise.all([start(), start()]);
    expect(both.map(({ created }) => created).sort()).toEqual([false, true]);
    expect(service.jobs.size).toBe(1);
  });

  it('is started once where every answer is lost, and the same command comes back to it', async () => {
    service.instead.CreateTrainingJob = [
      (input) => {
        service.create(input as never);
        throw awsLike('TimeoutError', 'socket hang up');
      },
    ];
    await expect(start()).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(await start()).toEqual({ name: NAME, created: false });
    expect(service.created).toEqual([NAME]);
  });

  it('is started once where an answer is lost and the request is sent again', async () => {
    service.instead.CreateTrainingJob = [
      (input) => {
        service.create(input as never);
        return service.create(input as never);
      },
    ];
    expect(await start()).toEqual({ name: NAME, created: false });
  });

  it('that fails at once, while its answer is lost, is told', async () => {
    service.instead.CreateTrainingJob = [
      () => {
        attempts('Failed');
        throw awsLike('ResourceInUse', 'it is there');
      },
    ];
    await expect(start()).rejects.toMatchObject({ code: 'JOB_FAILED' });
  });

  it('is not started where the service cannot say whether it is there', async () => {
    for (const command of ['DescribeTrainingJob', 'ListTrainingJobs']) {
      if (command === 'ListTrainingJobs') attempts('Failed');
      service.instead[command] = [
        () => {
          throw awsLike('ThrottlingException', 'Rate exceeded');
        },
      ];
      await expect(start()).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    }
    expect([service.created, sent]).toEqual([[], 0]);
  });

  it('is not started where what it reads cannot be sent', async () => {
    const send = () => Promise.reject(new Error('S3 is away'));
    await expect(submit({ request: REQUEST, send }, jobs, signal)).rejects.toThrow('S3 is away');
    expect(service.created).toEqual([]);
  });

  it('is not started where the service refuses it, which is told', async () => {
    service.instead.CreateTrainingJob = [
      () => {
        throw awsLike('ResourceLimitExceeded', 'no quota');
      },
    ];
    await expect(start()).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
    expect(service.jobs.size).toBe(0);
  });

  it.each([false, true])(
    'that is aborted while it is asked for is waited for, so that one knows of it',
    async (lost) => {
      const stop = new AbortController();
      service.instead.CreateTrainingJob = [
        (input) => {
          stop.abort('interrupted');
          service.create(input as never);
          return lost ? service.create(input as never) : {};
        },
      ];
      expect(await start(REQUEST, stop.signal)).toEqual({ name: NAME, created: !lost });
    },
  );

  it('is not started where the abort comes while what it reads is sent', async () => {
    const stop = new AbortController();
    const send = async () => stop.abort('interrupted');
    await expect(submit({ request: REQUEST, send }, jobs, stop.signal)).rejects.toBe('interrupted');
    expect(service.jobs.size).toBe(0);
  });

  it('is not started after an abort', async () => {
    await expect(start(REQUEST, AbortSignal.abort('interrupted'))).rejects.toBe('interrupted');
    expect([service.jobs.size, sent]).toEqual([0, 0]);
  });
});

describe('a training that is resumed', () => {
  it.each(['Failed', 'Stopped'] as const)('after it %s is the same under its next name', async (status) => {
    attempts(status);
    expect(await resume(NAME, jobs, signal)).toEqual({ name: `${NAME}-2`, created: true });
    const { input } = service.sent.find(({ name }) => name === 'CreateTrainingJob') ?? {};
    expect(input).toEqual({ ...REQUEST, TrainingJobName: `${NAME}-2` });
  });

  it('goes on from its newest attempt, by whichever name it is called', async () => {
    attempts('Failed', 'Failed', 'Stopped');
    for (const [at, name] of [NAME, `${NAME}-2`, `${NAME}-3`].entries()) {
      expect(await resume(name, jobs, signal)).toEqual({ name: `${NAME}-${at + 4}`, created: true });
      service.end(`${NAME}-${at + 4}`, 'Failed');
    }
  });

  it.each(['InProgress', 'Stopping', 'Completed'] as const)(
    'while it is %s is refused, and not paid for',
    async (status) => {
      attempts('Failed', status);
      await expect(resume(NAME, jobs, signal)).rejects.toMatchObject({
        code: 'REMOTE_CONFLICT',
        message: expect.stringContaining(`${NAME}-2 is ${status}`),
        hint: expect.stringContaining(`t2i jobs logs ${NAME}-2`),
      });
      expect(service.created).toEqual([]);
    },
  );

  it('twice at once is paid for once', async () => {
    attempts('Failed');
    const both = await Promise.all([resume(NAME, jobs, signal), resume(NAME, jobs, signal)]);
    expect(both.map(({ name, created }) => [name, created]).sort()).toEqual([
      [`${NAME}-2`, false],
      [`${NAME}-2`, true],
    ]);
  });

  it('that was never started is told', async () => {
    await expect(resume(NAME, jobs, signal)).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' });
    expect(service.created).toEqual([]);
  });

  it('by the name of a later attempt goes on though the first is gone', async () => {
    attempts('Failed', 'Failed');
    service.jobs.delete(NAME);
    expect(await resume(`${NAME}-2`, jobs, signal)).toEqual({ name: `${NAME}-3`, created: true });
  });

  it('goes on with another number of machines, of the same kind', async () => {
    attempts('Stopped');
    expect(await resume(NAME, jobs, signal, 3)).toMatchObject({ created: true });
    expect(service.jobs.get(`${NAME}-2`)?.ResourceConfig).toEqual({ ...REQUEST.ResourceConfig, InstanceCount: 3 });
  });

  it('is not paid for on machines that cannot share its batch', async () => {
    attempts('Stopped');
    for (const machines of [0, 5, 8, 24])
      await expect(resume(NAME, jobs, signal, machines)).rejects.toMatchObject({
        code: 'OPTION_INVALID',
        issues: [
          { option: 'instanceCount', expected: expect.stringContaining('1, 2, 3, 4, 6, 12'), received: `${machines}` },
        ],
      });
    expect(service.created).toEqual([]);
  });

  it('of an earlier version, which does not tell its batch, goes on with any number', async () => {
    attempts('Failed');
    service.add(NAME, { ...service.jobs.get(NAME), HyperParameters: { t2i_run: 'run_1' } });
    expect(await resume(NAME, jobs, signal, 5)).toMatchObject({ created: true });
  });

  it('of machines that the service does not tell counts one GPU of each', async () => {
    service.add(NAME, {
      TrainingJobStatus: 'Failed',
      HyperParameters: REQUEST.HyperParameters as Record<string, string>,
    });
    await expect(resume(NAME, jobs, signal, 5)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect(await resume(NAME, jobs, signal, 12)).toMatchObject({ created: true });
  });

  it('is asked for with what is left where the service tells less', async () => {
    service.add(NAME, { TrainingJobStatus: 'Failed', AlgorithmSpecification: { TrainingInputMode: undefined } });
    await resume(NAME, jobs, signal);
    expect(service.jobs.get(`${NAME}-2`)).toMatchObject({
      AlgorithmSpecification: { TrainingInputMode: 'File' },
      Tags: [{ Key: 't2i:run', Value: '' }],
    });
    // Without an entry point it is the image's, as where AWS's toolkit starts the ranks.
    const { input } = service.sent.find(({ name }) => name === 'CreateTrainingJob') ?? {};
    expect(Object.keys(input?.AlgorithmSpecification as object)).not.toContain('ContainerEntrypoint');
  });
});

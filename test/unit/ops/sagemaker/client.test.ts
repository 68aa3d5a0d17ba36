import { SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TrainingJobs } from '../../../../src/ops/sagemaker/client.js';
import { CANARIES } from '../../../support/moto.js';
import { awsLike, OfflineSageMaker } from '../../../support/offline-sagemaker.js';
import { OFFLINE } from '../../../support/offline-store.js';

let service: OfflineSageMaker;
let jobs: TrainingJobs;
const { signal } = new AbortController();

beforeEach(async () => {
  service = new OfflineSageMaker();
  jobs = await service.open();
});
afterEach(() => {
  jobs.close();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Fails the next request of this kind. */
const failing = (command: string, name: string, message = '') => {
  service.instead[command] = [
    () => {
      throw awsLike(name, message);
    },
  ];
};

describe('training jobs of SageMaker', () => {
  it('are created as they are asked for, and found', async () => {
    const request = { TrainingJobName: 't2i-one', RoleArn: 'arn' } as never;
    await jobs.create(request, signal);
    expect(service.sent).toEqual([{ name: 'CreateTrainingJob', input: request, signal }]);
    expect(await jobs.find('t2i-one', signal)).toMatchObject({ RoleArn: 'arn', TrainingJobStatus: 'InProgress' });
    expect(await jobs.describe('t2i-one', signal)).toMatchObject({ RoleArn: 'arn' });
    expect(service.sent.slice(1)).toEqual(
      Array(2).fill({ name: 'DescribeTrainingJob', input: { TrainingJobName: 't2i-one' }, signal }),
    );
    await expect(jobs.create(request, signal)).rejects.toMatchObject({ code: 'REMOTE_CONFLICT' });
  });

  it('that are not there are told, with what helps', async () => {
    expect(await jobs.find('t2i-none', signal)).toBeNull();
    await expect(jobs.describe('t2i-none', signal)).rejects.toMatchObject({
      code: 'REMOTE_NOT_FOUND',
      message: expect.stringMatching(/t2i-none in eu-west-1/),
      hint: expect.stringContaining('t2i jobs'),
    });
  });

  // One that were taken for absent would be paid for again.
  it.each([
    ['ValidationException', '1 validation error detected', 'REMOTE_REFUSED'],
    ['ThrottlingException', 'Rate exceeded', 'NETWORK_FAILED'],
    ['AccessDeniedException', 'the resource was not found', 'ACCESS_DENIED'],
  ])('are not taken for absent where the service answers %s: %s', async (name, message, code) => {
    failing('DescribeTrainingJob', name, message);
    await expect(jobs.find('t2i-one', signal)).rejects.toMatchObject({ code });
  });

  it.each(['Requested resource not found.', 'it does not exist', 'Could not find training job'])(
    'are absent where the service says: %s',
    async (message) => {
      failing('DescribeTrainingJob', 'ValidationException', message);
      expect(await jobs.find('t2i-one', signal)).toBeNull();
    },
  );

  it('are listed by the start of their names, the newest first, over all pages', async () => {
    for (const name of ['t2i-1', 'other', 't2i-2', 'not-t2i-3', 't2i-4', 't2i-5']) service.add(name);
    service.page = 2;
    const names = async (most: number) => (await jobs.list('t2i-', most, signal)).map((job) => job.TrainingJobName);
    expect(await names(1000)).toEqual(['t2i-5', 't2i-4', 't2i-2', 't2i-1']);
    expect(service.sent).toHaveLength(3);
    expect(service.sent[0]).toEqual({
      name: 'ListTrainingJobs',
      input: { NameContains: 't2i-', SortBy: 'CreationTime', SortOrder: 'Descending', MaxResults: 100 },
      signal,
    });
    expect(service.sent.map(({ input }) => input.NextToken)).toEqual([undefined, '2', '4']);
  });

  it('are listed as far as is asked, with no page more', async () => {
    for (const at of [1, 2, 3, 4, 5]) service.add(`t2i-${at}`);
    service.page = 2;
    const count = async (most: number) => {
      service.sent.length = 0;
      return [(await jobs.list('t2i-', most, signal)).length, service.sent.length];
    };
    expect([await count(1), await count(2), await count(3)]).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
    ]);
  });

  it('of a page that says nothing are none', async () => {
    service.instead.ListTrainingJobs = [() => ({}), () => ({ TrainingJobSummaries: [{}] })];
    expect(await jobs.list('t2i-', 10, signal)).toEqual([]);
    expect(await jobs.list('t2i-', 10, signal)).toEqual([]);
  });

  it('are stopped by name', async () => {
    service.add('t2i-one');
    await jobs.stop('t2i-one', signal);
    expect(service.sent).toEqual([{ name: 'StopTrainingJob', input: { TrainingJobName: 't2i-one' }, signal }]);
    expect(service.jobs.get('t2i-one')?.TrainingJobStatus).toBe('Stopping');
  });

  it.each<[string, string, () => Promise<unknown>]>([
    [
      'CreateTrainingJob',
      'start the training job t2i-one',
      () => jobs.create({ TrainingJobName: 't2i-one' } as never, signal),
    ],
    ['DescribeTrainingJob', 'look at the training job t2i-one', () => jobs.find('t2i-one', signal)],
    ['ListTrainingJobs', 'list the training jobs', () => jobs.list('t2i-', 1, signal)],
    ['StopTrainingJob', 'stop the training job t2i-one', () => jobs.stop('t2i-one', signal)],
  ])('that the service refuses are told without secrets: %s', async (command, doing, ask) => {
    failing(command, 'SomeException', `no ${CANARIES[1]}`);
    const refused = ask();
    await expect(refused).rejects.toMatchObject({ code: 'REMOTE_REFUSED', message: expect.stringContaining(doing) });
    await expect(refused).rejects.not.toThrow(CANARIES[1]);
  });

  it("end with the signal's reason", async () => {
    const aborted = AbortSignal.abort('interrupted');
    const name = 't2i-one';
    for (const ask of [
      () => jobs.create({ TrainingJobName: name } as never, aborted),
      () => jobs.find(name, aborted),
      () => jobs.list(name, 1, aborted),
      () => jobs.stop(name, aborted),
    ])
      await expect(ask()).rejects.toBe('interrupted');
    expect(service.jobs.size).toBe(0);
  });

  it('are in the region of the settings, without which nothing is asked', async () => {
    expect(await jobs.region()).toBe('eu-west-1');
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nowhere');
    const lost = await TrainingJobs.open({ ...OFFLINE, region: undefined });
    await expect(lost.region()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    lost.close();
  });

  it('are let go of at the end', () => {
    const destroyed = vi.spyOn(SageMakerClient.prototype, 'destroy');
    jobs.close();
    expect(destroyed).toHaveBeenCalledTimes(1);
  });
});

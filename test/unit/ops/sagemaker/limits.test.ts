import type { CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import { describe, expect, it } from 'vitest';
import { COUNTS, checkRequest, TEXTS } from '../../../../src/ops/sagemaker/limits.js';

const TYPES = ['ml.g5.xlarge'];
const RESOURCES = { InstanceType: 'ml.g5.xlarge', InstanceCount: 1, VolumeSizeInGB: 1 } as const;
const REQUEST: CreateTrainingJobRequest = {
  TrainingJobName: 'one',
  RoleArn: 'arn:aws:iam::123456789012:role/trainer',
  AlgorithmSpecification: { TrainingImage: 'image', TrainingInputMode: 'File' },
  OutputDataConfig: { S3OutputPath: 's3://b/out' },
  ResourceConfig: RESOURCES,
  StoppingCondition: { MaxRuntimeInSeconds: 60 },
};

const check = (changes: object, types = TYPES) => checkRequest({ ...REQUEST, ...changes }, types);
const options = (changes: object) => check(changes).map(({ option }) => option);
const algorithm = (changes: object) => ({
  AlgorithmSpecification: { ...REQUEST.AlgorithmSpecification, ...changes },
});
const channel = (ChannelName?: string, S3Uri?: string) => ({ ChannelName, DataSource: { S3DataSource: { S3Uri } } });
const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`v${at}`, 'x']));
const long = (most: number) => ['x'.repeat(most), 'x'.repeat(most + 1)] as const;

describe('a request at the limits of the service', () => {
  const container = 'AlgorithmSpecification.Container';
  const metrics = 'AlgorithmSpecification.MetricDefinitions';
  const metric = { Name: 'a', Regex: 'b' };
  const address = (length: number) => `s3://b/${'x'.repeat(length - 7)}`;
  const spot = (wait?: number) => ({
    EnableManagedSpotTraining: true,
    StoppingCondition: { MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: wait },
  });
  const runs = (seconds?: number) => ({ StoppingCondition: { MaxRuntimeInSeconds: seconds } });

  it.each<[string, object, object]>([
    ['TrainingJobName', { TrainingJobName: long(63)[0] }, { TrainingJobName: long(63)[1] }],
    [
      'AlgorithmSpecification.TrainingImage',
      algorithm({ TrainingImage: long(255)[0] }),
      algorithm({ TrainingImage: long(255)[1] }),
    ],
    [
      `${container}Entrypoint.1`,
      algorithm({ ContainerEntrypoint: ['a', long(256)[0]] }),
      algorithm({ ContainerEntrypoint: ['a', long(256)[1]] }),
    ],
    [
      `${container}Entrypoint`,
      algorithm({ ContainerEntrypoint: Array(100).fill('a') }),
      algorithm({ ContainerEntrypoint: Array(101).fill('a') }),
    ],
    [
      `${container}Arguments.0`,
      algorithm({ ContainerArguments: [long(256)[0]] }),
      algorithm({ ContainerArguments: [long(256)[1]] }),
    ],
    [
      `${container}Arguments`,
      algorithm({ ContainerArguments: Array(100).fill('a') }),
      algorithm({ ContainerArguments: Array(101).fill('a') }),
    ],
    [
      metrics,
      algorithm({ MetricDefinitions: Array(40).fill(metric) }),
      algorithm({ MetricDefinitions: Array(41).fill(metric) }),
    ],
    [
      `${metrics}.0.Name`,
      algorithm({ MetricDefinitions: [{ ...metric, Name: long(255)[0] }] }),
      algorithm({ MetricDefinitions: [{ ...metric, Name: long(255)[1] }] }),
    ],
    [
      `${metrics}.0.Regex`,
      algorithm({ MetricDefinitions: [{ ...metric, Regex: long(500)[0] }] }),
      algorithm({ MetricDefinitions: [{ ...metric, Regex: long(500)[1] }] }),
    ],
    ['HyperParameters', { HyperParameters: named(100) }, { HyperParameters: named(101) }],
    ['HyperParameters.h', { HyperParameters: { h: long(2500)[0] } }, { HyperParameters: { h: long(2500)[1] } }],
    ['Environment', { Environment: named(100) }, { Environment: named(101) }],
    ['Environment.E', { Environment: { E: long(512)[0] } }, { Environment: { E: long(512)[1] } }],
    ['Environment.1E', { Environment: { E1: '' } }, { Environment: { '1E': '' } }],
    [
      'InputDataConfig',
      { InputDataConfig: Object.keys(named(20)).map((name) => channel(name, 's3://b/x')) },
      { InputDataConfig: Object.keys(named(21)).map((name) => channel(name, 's3://b/x')) },
    ],
    [
      'InputDataConfig.1.ChannelName',
      { InputDataConfig: [channel('a', 's3://b/x'), channel(long(64)[0], 's3://b/x')] },
      { InputDataConfig: [channel('a', 's3://b/x'), channel(long(64)[1], 's3://b/x')] },
    ],
    [
      'InputDataConfig.0.DataSource',
      { InputDataConfig: [channel('a', address(1024))] },
      { InputDataConfig: [channel('a', address(1025))] },
    ],
    [
      'InputDataConfig',
      { InputDataConfig: [channel('a', 's3://b/x'), channel('b', 's3://b/x')] },
      { InputDataConfig: [channel('a', 's3://b/x'), channel('a', 's3://b/y')] },
    ],
    [
      'OutputDataConfig.S3OutputPath',
      { OutputDataConfig: { S3OutputPath: address(1024) } },
      { OutputDataConfig: { S3OutputPath: 'ftp://b/x' } },
    ],
    [
      'CheckpointConfig.S3Uri',
      { CheckpointConfig: { S3Uri: address(1024) } },
      { CheckpointConfig: { S3Uri: undefined } },
    ],
    ['Tags', { Tags: Array(50).fill({ Key: 'a', Value: '' }) }, { Tags: Array(51).fill({ Key: 'a', Value: '' }) }],
    ['Tags.0.Key', { Tags: [{ Key: 'a', Value: 'b' }] }, { Tags: [{ Key: 'a?', Value: 'b' }] }],
    [
      'ResourceConfig.InstanceCount',
      { ResourceConfig: RESOURCES },
      { ResourceConfig: { ...RESOURCES, InstanceCount: 1.5 } },
    ],
    [
      'ResourceConfig.VolumeSizeInGB',
      { ResourceConfig: { ...RESOURCES, VolumeSizeInGB: 16_384 } },
      { ResourceConfig: { ...RESOURCES, VolumeSizeInGB: undefined } },
    ],
    ['StoppingCondition.MaxRuntimeInSeconds', runs(2_419_200), runs(2_419_201)],
    ['StoppingCondition.MaxRuntimeInSeconds', runs(1), runs()],
    ['StoppingCondition.MaxWaitTimeInSeconds', spot(60), spot(59)],
    ['StoppingCondition.MaxWaitTimeInSeconds', spot(61), spot()],
    [
      'StoppingCondition.MaxWaitTimeInSeconds',
      { EnableManagedSpotTraining: false },
      { ...spot(60), EnableManagedSpotTraining: false },
    ],
    [
      'RetryStrategy.MaximumRetryAttempts',
      { RetryStrategy: { MaximumRetryAttempts: 30 } },
      { RetryStrategy: { MaximumRetryAttempts: 31 } },
    ],
    [
      'RetryStrategy.MaximumRetryAttempts',
      { RetryStrategy: { MaximumRetryAttempts: 1 } },
      { RetryStrategy: { MaximumRetryAttempts: 0 } },
    ],
  ])('is refused beyond them, not at them: %s', (option, at, beyond) => {
    expect(options(at)).toEqual([]);
    expect(options(beyond)).toEqual([option]);
    for (const issue of check(beyond))
      expect(issue).toEqual({ ...issue, expected: expect.stringMatching(/./), received: expect.stringMatching(/./) });
  });

  it('of which all is missing is refused for all that has to be there', () => {
    const nothing = checkRequest({} as CreateTrainingJobRequest, TYPES);
    expect(nothing.map(({ option, received }) => [option, received])).toEqual([
      ['TrainingJobName', 'nothing'],
      ['RoleArn', 'nothing'],
      ['AlgorithmSpecification.TrainingImage', 'nothing'],
      ['OutputDataConfig.S3OutputPath', 'nothing'],
      ['ResourceConfig.InstanceType', 'undefined'],
      ['ResourceConfig.InstanceCount', 'undefined'],
      ['ResourceConfig.VolumeSizeInGB', 'undefined'],
      ['StoppingCondition.MaxRuntimeInSeconds', 'undefined'],
    ]);
    // One that is undefined is known to nobody, whatever the service has.
    expect(check({ ResourceConfig: {} }, [undefined as never])[0]?.option).toBe('ResourceConfig.InstanceType');
    expect(options({ InputDataConfig: [{}] })).toEqual([
      'InputDataConfig.0.ChannelName',
      'InputDataConfig.0.DataSource',
    ]);
    expect(options({ InputDataConfig: [{ ChannelName: 'a', DataSource: {} }] })).toEqual([
      'InputDataConfig.0.DataSource',
    ]);
    expect(JSON.stringify(nothing)).not.toContain('matches undefined');
  });

  it.each<[object, string, string]>([
    [{ TrainingJobName: 'a_b' }, 'letters, digits and single dashes, at most 63', '"a_b"'],
    [{ TrainingJobName: long(63)[1] }, 'letters, digits and single dashes, at most 63', '64 characters'],
    [algorithm({ TrainingImage: long(255)[1] }), 'at most 255 characters', '256 characters'],
    [{ Tags: [{ Key: 'a?', Value: '' }] }, `text that matches ${TEXTS.TagKey.pattern.source}`, '"a?"'],
    [
      { Tags: [{ Key: '?'.repeat(128), Value: '' }] },
      `text that matches ${TEXTS.TagKey.pattern.source}`,
      expect.stringContaining('???'),
    ],
    [{ Environment: { E: long(512)[1] } }, 'at most 512 characters', '513 characters'],
    [{ Environment: named(101) }, `at most ${COUNTS.TrainingEnvironmentMap} entries`, '101'],
    [{ ResourceConfig: { ...RESOURCES, InstanceCount: 0 } }, 'a whole number, 1 or more', '0'],
    [{ StoppingCondition: { MaxRuntimeInSeconds: 0 } }, 'a whole number from 1 to 2419200', '0'],
    [
      { InputDataConfig: [channel('a', 's3://b/x'), channel('a', 's3://b/x')] },
      'channels with names of their own',
      'two named a',
    ],
  ])('says what was expected, and what came', (changes, expected, received) => {
    expect(check(changes)).toEqual([expect.objectContaining({ expected, received })]);
  });
});

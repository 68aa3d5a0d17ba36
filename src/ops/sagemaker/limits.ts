import type { CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import type { Issue } from '../../errors.js';
import { describeValue } from '../../fields.js';

interface TextLimit {
  readonly max: number;
  readonly pattern?: RegExp;
}

/** What CreateTrainingJob takes, by the names of its model; a test compares them with AWS's own (botocore). */
export const TEXTS = {
  TrainingJobName: { max: 63, pattern: /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/ },
  RoleArn: { max: 2048, pattern: /^arn:aws[a-z-]*:iam::\d{12}:role\/?[a-zA-Z_0-9+=,.@\-_/]+$/ },
  AlgorithmImage: { max: 255 },
  HyperParameterKey: { max: 256 },
  HyperParameterValue: { max: 2500 },
  TrainingEnvironmentKey: { max: 512, pattern: /^[a-zA-Z_][a-zA-Z0-9_]*$/ },
  TrainingEnvironmentValue: { max: 512 },
  MetricName: { max: 255 },
  MetricRegex: { max: 500 },
  ChannelName: { max: 64, pattern: /^[A-Za-z0-9.\-_]+$/ },
  TrainingContainerEntrypointString: { max: 256 },
  TrainingContainerArgument: { max: 256 },
  S3Uri: { max: 1024, pattern: /^(https|s3):\/\/([^/]+)\/?(.*)$/ },
  TagKey: { max: 128, pattern: /^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$/u },
  TagValue: { max: 256, pattern: /^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$/u },
} as const satisfies Record<string, TextLimit>;
type Text = keyof typeof TEXTS;

/** Entries of a list or an object, at most. */
export const COUNTS = {
  HyperParameters: 100,
  TrainingEnvironmentMap: 100,
  MetricDefinitionList: 40,
  InputDataConfig: 20,
  TagList: 50,
  TrainingContainerEntrypoint: 100,
  TrainingContainerArguments: 100,
} as const;
type Count = keyof typeof COUNTS;

/** 28 days (docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html). */
const LONGEST_RUN = 28 * 86_400;
const ANY = Number.MAX_SAFE_INTEGER;

/**
 * Everything in a request that the service would refuse, each by its path in the request.
 *
 * @param instanceTypes those that the service has
 */
export function checkRequest(request: CreateTrainingJobRequest, instanceTypes: readonly string[]): Issue[] {
  const { AlgorithmSpecification: algorithm, Environment = {}, HyperParameters = {}, CheckpointConfig } = request;
  const container = 'AlgorithmSpecification.Container';
  return [
    ...text('TrainingJobName', request.TrainingJobName, 'TrainingJobName'),
    ...text('RoleArn', request.RoleArn, 'RoleArn'),
    ...text('AlgorithmSpecification.TrainingImage', algorithm?.TrainingImage, 'AlgorithmImage'),
    ...texts(`${container}Entrypoint`, algorithm?.ContainerEntrypoint, 'TrainingContainerEntrypointString'),
    ...count(`${container}Entrypoint`, algorithm?.ContainerEntrypoint, 'TrainingContainerEntrypoint'),
    ...texts(`${container}Arguments`, algorithm?.ContainerArguments, 'TrainingContainerArgument'),
    ...count(`${container}Arguments`, algorithm?.ContainerArguments, 'TrainingContainerArguments'),
    ...metrics(algorithm?.MetricDefinitions ?? []),
    ...count('HyperParameters', HyperParameters, 'HyperParameters'),
    ...entries('HyperParameters', HyperParameters, 'HyperParameterKey', 'HyperParameterValue'),
    ...count('Environment', Environment, 'TrainingEnvironmentMap'),
    ...entries('Environment', Environment, 'TrainingEnvironmentKey', 'TrainingEnvironmentValue'),
    ...channels(request),
    ...text('OutputDataConfig.S3OutputPath', request.OutputDataConfig?.S3OutputPath, 'S3Uri'),
    ...(CheckpointConfig ? text('CheckpointConfig.S3Uri', CheckpointConfig.S3Uri, 'S3Uri') : []),
    ...tags(request),
    ...machines(request, instanceTypes),
    ...times(request),
  ];
}

const EXPECTED: Partial<Record<Text, string>> = {
  TrainingJobName: 'letters, digits and single dashes, at most 63',
  RoleArn: 'the ARN of a role, as arn:aws:iam::123456789012:role/NAME',
  S3Uri: 's3://BUCKET/PREFIX, at most 1024 characters',
};

function text(option: string, value: string | undefined, shape: Text): Issue[] {
  const { max, pattern }: TextLimit = TEXTS[shape];
  if (value !== undefined && value.length <= max && (pattern === undefined || pattern.test(value))) return [];
  const long = value !== undefined && value.length > max;
  const rule = long || pattern === undefined ? `at most ${max} characters` : `text that matches ${pattern.source}`;
  const expected = EXPECTED[shape] ?? rule;
  const received = value === undefined ? 'nothing' : long ? `${value.length} characters` : describeValue(value);
  return [{ option, expected, received }];
}

function texts(path: string, values: readonly string[] | undefined, shape: Text): Issue[] {
  return values?.flatMap((value, at) => text(`${path}.${at}`, value, shape)) ?? [];
}

function count(option: string, values: object | undefined, shape: Count): Issue[] {
  const found = Object.keys(values ?? {}).length;
  if (found <= COUNTS[shape]) return [];
  return [{ option, expected: `at most ${COUNTS[shape]} entries`, received: String(found) }];
}

function entries(path: string, values: Readonly<Record<string, string>>, key: Text, value: Text): Issue[] {
  return Object.entries(values).flatMap(([name, inner]) => [
    ...text(`${path}.${name}`, name, key),
    // Never quoted: it may be what it must not be, a secret.
    ...text(`${path}.${name}`, inner, value).map((issue) => ({ ...issue, received: `${inner.length} characters` })),
  ]);
}

function metrics(definitions: readonly { Name?: string | undefined; Regex?: string | undefined }[]): Issue[] {
  const path = 'AlgorithmSpecification.MetricDefinitions';
  return [
    ...count(path, definitions, 'MetricDefinitionList'),
    ...definitions.flatMap(({ Name, Regex }, at) => [
      ...text(`${path}.${at}.Name`, Name, 'MetricName'),
      ...text(`${path}.${at}.Regex`, Regex, 'MetricRegex'),
    ]),
  ];
}

function channels({ InputDataConfig: inputs = [] }: CreateTrainingJobRequest): Issue[] {
  const option = 'InputDataConfig';
  const names = inputs.map(({ ChannelName }) => ChannelName);
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  return [
    ...count(option, inputs, 'InputDataConfig'),
    ...inputs.flatMap(({ ChannelName, DataSource }, at) => [
      ...text(`${option}.${at}.ChannelName`, ChannelName, 'ChannelName'),
      ...text(`${option}.${at}.DataSource`, DataSource?.S3DataSource?.S3Uri, 'S3Uri'),
    ]),
    ...twice.map((name) => ({ option, expected: 'channels with names of their own', received: `two named ${name}` })),
  ];
}

function tags({ Tags = [] }: CreateTrainingJobRequest): Issue[] {
  return [
    ...count('Tags', Tags, 'TagList'),
    ...Tags.flatMap(({ Key, Value }, at) => [
      ...text(`Tags.${at}.Key`, Key, 'TagKey'),
      ...text(`Tags.${at}.Value`, Value, 'TagValue'),
    ]),
  ];
}

function machines({ ResourceConfig: resources }: CreateTrainingJobRequest, instanceTypes: readonly string[]): Issue[] {
  const { InstanceType: type, InstanceCount: instances, VolumeSizeInGB: volume } = resources ?? {};
  const known = type !== undefined && instanceTypes.includes(type);
  const expected = 'a type of SageMaker, as ml.g4dn.xlarge';
  return [
    ...(known ? [] : [{ option: 'ResourceConfig.InstanceType', expected, received: describeValue(type) }]),
    ...whole('ResourceConfig.InstanceCount', instances, 1, ANY),
    ...whole('ResourceConfig.VolumeSizeInGB', volume, 1, ANY),
  ];
}

function times({ StoppingCondition, EnableManagedSpotTraining: spot, ...rest }: CreateTrainingJobRequest): Issue[] {
  const { MaxRuntimeInSeconds: run, MaxWaitTimeInSeconds: wait } = StoppingCondition ?? {};
  const option = 'StoppingCondition.MaxWaitTimeInSeconds';
  const received = String(wait);
  const tooShort = spot === true && (wait === undefined || wait < (run ?? 0));
  return [
    ...whole('StoppingCondition.MaxRuntimeInSeconds', run, 1, LONGEST_RUN),
    ...(tooShort ? [{ option, expected: `at least MaxRuntimeInSeconds ${run}`, received }] : []),
    ...(!spot && wait !== undefined ? [{ option, expected: 'nothing without spot instances', received }] : []),
    ...(rest.RetryStrategy
      ? whole('RetryStrategy.MaximumRetryAttempts', rest.RetryStrategy.MaximumRetryAttempts, 1, 30)
      : []),
  ];
}

function whole(option: string, value: number | undefined, min: number, max: number): Issue[] {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return [];
  const expected = max === ANY ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`;
  return [{ option, expected, received: String(value) }];
}

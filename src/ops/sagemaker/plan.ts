import type { CreateTrainingJobRequest } from '@aws-sdk/client-sagemaker';
import { below, formatS3Address, isS3Address, parseS3Address, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import type { AwsSettings } from '../../aws/settings.js';
import { type Issue, T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { inFile, refuseParams } from '../params/read.js';
import type { Params } from '../params/schema.js';
import type { TrainingJobs } from './client.js';
import { type Code, codeAddress, containerCommand, packCode, sendCode, sha256Of } from './code.js';
import { codeLeaks, findLeaks, jobEnvironment } from './environment.js';
import { chooseImage } from './images.js';
import { channelsOf, dataList, findData, findModels, hashWheels, modelsAddress, sendModels } from './inputs.js';
import { checkRequest } from './limits.js';
import { type CostEstimate, estimateCost } from './prices.js';
import { buildRequest, withOptionName } from './request.js';
import { sendSources, sourcesAddress, toolkitParameters } from './toolkit.js';

/** `own`: our script as entry point, in any image; `toolkit`: AWS's training toolkit, which its images bring. */
export type ContainerFormat = 'own' | 'toolkit';

export interface TrainingOptions {
  /** Absolute path of the project. */
  readonly project: string;
  readonly params: Params;
  /** What is wrong with the parameters so far, to be told with everything else. */
  readonly issues: readonly Issue[];
  readonly format: ContainerFormat;
  /** The day, as 2026-11-26. */
  readonly today: string;
  readonly signal: AbortSignal;
}

/** A training job as it would be started: everything is checked, nothing is sent. */
export interface TrainingPreview {
  readonly request: CreateTrainingJobRequest;
  readonly cost: CostEstimate;
  readonly warnings: readonly string[];
  /** Sends what the job reads; what is there is not sent again. */
  send(): Promise<void>;
}

/**
 * Works out the request of a training and what it reads.
 *
 * @throws T2IError OPTION_INVALID with every mistake in the parameters and the request; DATA_INVALID where no data were pushed, or no wheels
 *   lie where they are said to be
 */
export async function previewTraining(
  options: TrainingOptions,
  settings: AwsSettings,
  jobs: TrainingJobs,
  store: S3Store,
): Promise<TrainingPreview> {
  const { project, params, format, today, signal } = options;
  const { pytorch_estimator: estimator } = params;
  const { use_spot_instances: spot } = estimator;
  const issues: Issue[] = [];
  const base = await noting(issues, SOMEWHERE, () => dataAddress(params));
  const wheels = await noting(issues, null, () =>
    estimator.wheels === null ? null : parseS3Address(estimator.wheels, 'pytorch_estimator.wheels'),
  );
  const region = await jobs.region().catch((error: unknown) => {
    // Without one nothing of the request can be worked out: what is known to be wrong by now is told with it.
    const known = inFile([...options.issues, ...issues]);
    if (known.length > 0 && T2IError.is(error) && error.issues.length > 0) refuse([...known, ...error.issues]);
    throw error;
  });
  const image = estimator.image_uri
    ? { uri: estimator.image_uri, issues: [], warnings: [] }
    : chooseImage(estimator.framework_version, estimator.py_version, region, today);
  const environment = jobEnvironment(estimator.environment, estimator.secrets);
  const models = await findModels(project, params);
  const packed = await pack(format, project, models.params, base, region, settings.secrets, issues, signal);
  // Hashes stand for what is in S3, so that all mistakes are told before anything is asked of it.
  const placed = await modelsAddress(base, models, signal);
  const build = (list: S3Address, hashes: Readonly<Record<string, string>>) =>
    buildRequest({
      ...{ params, image: image.uri, spot, environment: environment.variables, base, hashes },
      start: packed.start,
      channels: channelsOf({ code: packed.channel, data: list, models: placed, wheels }),
    });
  const { TrainingInstanceType } = await import('@aws-sdk/client-sagemaker');
  const draft = build(below(base, 'code/data.json'), {});
  issues.push(
    ...image.issues,
    ...environment.issues,
    ...checkRequest(draft, Object.values(TrainingInstanceType)).map(withOptionName),
    ...findLeaks(draft, 'pytorch_estimator', settings.secrets),
    ...findLeaks(params, 'params.yaml', settings.secrets),
    ...codeLeaks(packed.leaking),
  );
  // A rule between parameters may say of an option what the service would say of the request.
  const told = new Set(options.issues.map(({ option }) => option));
  refuseParams([...options.issues, ...issues.filter(({ option }) => !told.has(option))]);
  const data = await findData(store, base, signal);
  const list = dataList(data);
  const listAddress = below(base, `code/data-${sha256Of(list).slice(0, 32)}.json`);
  const request = build(listAddress, {
    t2i_data_sha256: data.sha256,
    ...(wheels === null ? {} : { t2i_wheels_sha256: await hashWheels(store, wheels, signal) }),
  });
  return {
    request,
    cost: estimateCost(estimator.instance_type, estimator.instance_count, estimator.max_run, spot),
    warnings: image.warnings,
    async send() {
      await packed.send(store);
      await store.write(listAddress, list, sha256Of(list), signal);
      if (placed !== null) await sendModels(store, placed, models, signal);
    },
  };
}

/** Stands for an address that is wrong: nothing is asked of it. */
const SOMEWHERE: S3Address = { bucket: 'somewhere', key: 'somewhere' };

/** Stands for code that is not there: none of it is sent. */
const NO_CODE: Code = { archive: Buffer.alloc(0), sha256: '', entry: Buffer.alloc(0), leaking: [] };

/** What `work` returns, or `instead` where an option is wrong, which is noted. */
async function noting<T>(issues: Issue[], instead: T, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') throw error;
    issues.push(...error.issues);
    return instead;
  }
}

/** Where the data lie, and below it what jobs read and make. */
export function dataAddress({ data, pytorch_estimator: { s3_train_data } }: Params): S3Address {
  if (s3_train_data !== null) return parseS3Address(s3_train_data, 'pytorch_estimator.s3_train_data');
  if (isS3Address(data.remote)) return parseS3Address(data.remote, 'data.remote');
  const problem = `expected s3://BUCKET/PREFIX for a training on SageMaker, received ${JSON.stringify(data.remote)}`;
  refuse([{ option: 'data.remote', expected: 's3://BUCKET/PREFIX', received: data.remote, problem }]);
  throw new Error('unreachable');
}

interface Packed {
  readonly start: Parameters<typeof buildRequest>[0]['start'];
  /** Of the code, where it is one of the inputs. */
  readonly channel: S3Address | null;
  readonly leaking: Code['leaking'];
  send(store: S3Store): Promise<void>;
}

async function pack(
  format: ContainerFormat,
  project: string,
  params: Params,
  base: S3Address,
  region: string,
  secrets: readonly string[],
  issues: Issue[],
  signal: AbortSignal,
): Promise<Packed> {
  const code = await noting(issues, NO_CODE, () => packCode(project, params, secrets, signal));
  const { leaking } = code;
  if (format === 'toolkit') {
    const address = sourcesAddress(base, code);
    const { instance_type } = params.pytorch_estimator;
    return {
      start: { hyperParameters: toolkitParameters(formatS3Address(address), instance_type, region) },
      channel: null,
      leaking,
      send: (store) => sendSources(store, address, code, signal),
    };
  }
  const address = codeAddress(base, code);
  return {
    start: { ...containerCommand(code), hyperParameters: { t2i_code_sha256: code.sha256 } },
    channel: address,
    leaking,
    send: (store) => sendCode(store, address, code, signal),
  };
}

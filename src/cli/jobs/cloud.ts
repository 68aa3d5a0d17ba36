import { S3Store } from '../../aws/s3-store.js';
import type { AwsSettings } from '../../aws/settings.js';
import { awsSettings } from '../../ops/aws-settings.js';
import { TrainingJobs } from '../../ops/sagemaker/client.js';
import type { Io } from '../io.js';

/** What a command needs of AWS, closed when it is done. */
export interface Cloud {
  readonly settings: AwsSettings;
  readonly jobs: TrainingJobs;
  readonly store: S3Store;
}

/** @param sagemaker address of a stand-in; AWS's own, or that of the environment, where it is left out */
export async function withCloud<T>(
  project: string,
  io: Io,
  sagemaker: string | undefined,
  work: (cloud: Cloud) => Promise<T>,
): Promise<T> {
  const given = await awsSettings(project, io.env);
  const endpoints = sagemaker === undefined ? given.endpoints : { ...given.endpoints, SAGEMAKER: sagemaker };
  const settings = { ...given, endpoints };
  const [jobs, store] = [await TrainingJobs.open(settings), await S3Store.open(settings)];
  try {
    return await work({ settings, jobs, store });
  } finally {
    jobs.close();
    store.close();
  }
}

/** Milliseconds between looks at a job: the service counts requests, a stand-in on this machine does not. */
export function pollInterval({ endpoints: { SAGEMAKER: url = '' } }: AwsSettings): number {
  return /^http:\/\/(127\.0\.0\.1|localhost)(:|\/|$)/.test(url) ? 300 : 10_000;
}

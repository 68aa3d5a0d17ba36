import type { S3Store } from '../aws/s3-store.js';
import type { Io } from './io.js';

/** S3 as a project's environment says; to be closed. AWS's SDK is loaded here. @throws T2IError OPTION_INVALID */
export async function openS3(project: string, io: Io): Promise<S3Store> {
  const [{ awsSettings }, { S3Store }] = await Promise.all([
    import('../ops/aws-settings.js'),
    import('../aws/s3-store.js'),
  ]);
  return S3Store.open(await awsSettings(project, io.env));
}

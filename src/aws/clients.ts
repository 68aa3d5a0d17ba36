import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SageMakerClient } from '@aws-sdk/client-sagemaker';
import { withoutUndefined } from '../fields.js';
import type { AwsSettings, Service } from './settings.js';

/** Tries of a request, the first included; AWS's SDK waits longer before each. */
const TRIES = 5;

/** What the SDK is told of the settings; the rest it finds itself. */
function options({ region, credentials, endpoints }: AwsSettings, service: Service) {
  return withoutUndefined({ maxAttempts: TRIES, region, credentials, endpoint: endpoints[service] });
}

// Which versions of Node this package runs on is its own to say: the SDK would warn in each command.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

// The SDK is large: it is loaded by the commands that talk to AWS alone.

export async function openS3(settings: AwsSettings): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  // Other servers than AWS's have no name for each bucket.
  return new S3Client({ ...options(settings, 'S3'), forcePathStyle: settings.endpoints.S3 !== undefined });
}

export async function openSageMaker(settings: AwsSettings): Promise<SageMakerClient> {
  const { SageMakerClient } = await import('@aws-sdk/client-sagemaker');
  return new SageMakerClient(options(settings, 'SAGEMAKER'));
}

export async function openLogs(settings: AwsSettings): Promise<CloudWatchLogsClient> {
  const { CloudWatchLogsClient } = await import('@aws-sdk/client-cloudwatch-logs');
  return new CloudWatchLogsClient(options(settings, 'CLOUDWATCH_LOGS'));
}

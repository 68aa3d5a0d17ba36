import { S3Store } from '../../src/aws/s3-store.js';
import { readAwsSettings } from '../../src/aws/settings.js';
import { CANARIES } from './moto.js';

const [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY] = CANARIES;

/** Settings of clients that are to reach nothing. */
export const OFFLINE = readAwsSettings({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION: 'eu-west-1' });

/** A store of S3 for tests that put their own in the place of its methods, or of its client's: it is not to be asked anything else. */
export function offlineStore(): Promise<S3Store> {
  return S3Store.open(OFFLINE);
}

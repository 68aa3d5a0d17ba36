import type { Issue } from '../errors.js';
import { refuse } from '../fields.js';

/** A place in S3: a bucket and a key, or the start of keys. */
export interface S3Address {
  readonly bucket: string;
  /** Without slashes at its ends. */
  readonly key: string;
}

const SCHEME = 's3://';
/** Names of buckets (docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html). */
const BUCKET = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const LONGEST_KEY = 800;

/** Whether a text is meant as an address in S3: also with a slash too few, which would be a folder of that name. */
export function isS3Address(text: string): boolean {
  return /^s3:/i.test(text);
}

/**
 * Reads `s3://bucket/key`. The key may not be left out: a whole bucket is nothing to replace files in.
 *
 * @param option whose value it is, for messages
 * @throws T2IError OPTION_INVALID
 */
export function parseS3Address(text: string, option: string): S3Address {
  refuse(s3AddressIssues(text, option));
  return split(text);
}

/** What is wrong with an address. @param option whose value it is */
export function s3AddressIssues(text: string, option: string): Issue[] {
  const { bucket, key } = split(text);
  const problem = problemOf(text, bucket, key);
  if (problem === undefined) return [];
  return [{ option, expected: 's3://BUCKET/PREFIX', received: JSON.stringify(text), problem }];
}

function split(text: string): S3Address {
  const [bucket = '', ...rest] = text.slice(SCHEME.length).split('/');
  return { bucket, key: rest.join('/').replace(/\/+$/, '') };
}

function problemOf(text: string, bucket: string, key: string): string | undefined {
  const received = JSON.stringify(text);
  if (!text.startsWith(SCHEME)) return `expected s3://BUCKET/PREFIX, received ${received}`;
  if (bucket === '') return `expected s3://BUCKET/PREFIX, received ${received}, which names no bucket`;
  if (!BUCKET.test(bucket))
    return `${JSON.stringify(bucket)} is no name of a bucket: 3 to 63 lower-case letters, digits, dots and dashes`;
  if (key === '') return `expected s3://BUCKET/PREFIX, received ${received}, which has no prefix after the bucket`;
  if (key.length > LONGEST_KEY || /\p{Cc}/u.test(key) || key.split('/').some((part) => /^\.{0,2}$/.test(part)))
    return `expected a prefix of parts with names, at most ${LONGEST_KEY} characters, received ${received}`;
  return undefined;
}

export function formatS3Address({ bucket, key }: S3Address): string {
  return `${SCHEME}${bucket}/${key}`;
}

/** A place below another. */
export function below(address: S3Address, path: string): S3Address {
  return { bucket: address.bucket, key: `${address.key}/${path}` };
}

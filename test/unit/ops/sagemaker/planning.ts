import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { S3Store } from '../../../../src/aws/s3-store.js';
import { PARAMS } from '../../../../src/ops/params/schema.js';
import type { TrainingJobs } from '../../../../src/ops/sagemaker/client.js';
import { previewTraining, type TrainingOptions } from '../../../../src/ops/sagemaker/plan.js';
import { MemoryBucket } from '../../../support/memory-bucket.js';
import { OFFLINE } from '../../../support/offline-store.js';

const { signal } = new AbortController();
export const sha256 = (body: Buffer | string) => createHash('sha256').update(body).digest('hex');
export const MANIFEST = {
  formatVersion: 1,
  format: 'shards',
  archives: { 'shards/a.tar': { bytes: 1, sha256: 'a' }, 'shards/b.tar': { bytes: 1, sha256: 'b' } },
  files: {},
};
const ESTIMATOR = {
  role: 'arn:aws:iam::123456789012:role/trainer',
  source_dir: 'code',
  entry_point: 'start.sh',
};

/** A project with code of its own, and a bucket with its data. */
export const at = {
  project: '',
  bucket: null as unknown as MemoryBucket,
  store: null as unknown as S3Store,
};
const jobs = { region: async () => 'eu-west-1' } as TrainingJobs;

/** Makes both before each test. */
export function freshProject(): void {
  beforeEach(async () => {
    at.project = mkdtempSync(join(tmpdir(), 't2i-plan-'));
    write('code/start.sh', 'exec python train.py');
    write('code/train.py', 'print(1)');
    at.bucket = new MemoryBucket();
    at.bucket.put('v1/manifest.json', JSON.stringify(MANIFEST));
    at.store = await at.bucket.store();
  });
  afterEach(() => {
    at.store.close();
    rmSync(at.project, { recursive: true });
  });
}

export function write(path: string, text: string): void {
  mkdirSync(join(at.project, path, '..'), { recursive: true });
  writeFileSync(join(at.project, path), text);
}

export interface Given {
  /** Of pytorch_estimator. */
  readonly estimator?: object;
  readonly params?: object;
  readonly options?: Partial<TrainingOptions>;
  readonly secrets?: readonly string[];
  readonly asked?: TrainingJobs;
}

export function plan({ estimator = {}, params = {}, options = {}, secrets = [], asked = jobs }: Given = {}) {
  const all = { data: { remote: 's3://flowers/v1' }, pytorch_estimator: { ...ESTIMATOR, ...estimator }, ...params };
  const training: TrainingOptions = {
    ...{ project: at.project, params: PARAMS.parse(all), issues: [], format: 'own', today: '2026-11-26', signal },
    ...options,
  };
  return previewTraining(training, { ...OFFLINE, secrets }, asked, at.store);
}

export const channels = ({ request }: Awaited<ReturnType<typeof plan>>) =>
  Object.fromEntries(
    (request.InputDataConfig ?? []).map(({ ChannelName, DataSource }) => [
      ChannelName,
      [DataSource?.S3DataSource?.S3DataType, DataSource?.S3DataSource?.S3Uri],
    ]),
  );
export const keyOf = (uri: unknown) => `${uri}`.replace('s3://flowers/', '');

/** The parameters in the code that was sent. */
export function sentParams(preview: Awaited<ReturnType<typeof plan>>): unknown {
  const tar = at.bucket.text(`${keyOf(channels(preview).code?.[1])}code.tar`);
  return JSON.parse(/\{"data":.*\}/.exec(tar)?.[0] as string);
}

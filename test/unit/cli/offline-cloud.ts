import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { afterEach, beforeEach, vi } from 'vitest';
import { stringify } from 'yaml';
import { S3Store } from '../../../src/aws/s3-store.js';
import { main } from '../../../src/cli/main.js';
import { readSegments, sizeOf } from '../../../src/ops/archive/segments.js';
import { tarSegments } from '../../../src/ops/archive/tar.js';
import { fakeIo } from '../../support/fake-io.js';
import { MemoryBucket } from '../../support/memory-bucket.js';
import { CANARIES } from '../../support/moto.js';
import { OfflineSageMaker } from '../../support/offline-sagemaker.js';

export const PARAMS = {
  data: { remote: 's3://flowers/v1', train_size: 2, val_size: 1 },
  training: { batch_size: 2, strategy: 'ddp' },
  pytorch_estimator: {
    ...{ role: 'arn:aws:iam::123456789012:role/trainer', source_dir: 'code', entry_point: 'start.sh' },
    ...{ instance_count: 1, max_run: 3600 },
  },
};
const MANIFEST = {
  formatVersion: 1,
  format: 'shards',
  archives: { 'shards/a.tar': { bytes: 1, sha256: 'a' } },
  files: {},
};
export const ENV = {
  ...{ AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: CANARIES[0], AWS_SECRET_ACCESS_KEY: CANARIES[1] },
  AWS_ENDPOINT_URL_SAGEMAKER: undefined as string | undefined,
};

/** A project, and AWS in memory. */
export const at = {
  project: '',
  bucket: null as unknown as MemoryBucket,
  service: null as unknown as OfflineSageMaker,
  /** What the hosts of a job have written, by stream. */
  logs: new Map<string, string[]>(),
  /** How long a command has waited, each time. */
  waits: [] as number[],
  /** What happens while a job is waited for. */
  meanwhile: (): void => undefined,
};

/** Makes all of it anew before each test. */
export function freshCloud(): void {
  beforeEach(async () => {
    at.project = mkdtempSync(join(tmpdir(), 't2i-sagemaker-'));
    for (const name of ['a.png', 'b.png', 'c.png']) write(`data/raw/dataset/images/${name}`, '');
    write('code/start.sh', 'exec python train.py');
    params({});
    at.bucket = new MemoryBucket();
    at.bucket.put('v1/manifest.json', JSON.stringify(MANIFEST));
    const store = await at.bucket.store();
    vi.spyOn(S3Store, 'open').mockResolvedValue(store);
    at.service = new OfflineSageMaker();
    (await at.service.open()).close();
    at.logs = new Map();
    at.waits = [];
    at.meanwhile = () => undefined;
    const answer = async ({ input }: { input: { logStreamName?: string; nextToken?: string } }) => {
      const { logStreamName: stream, nextToken = '0' } = input;
      if (stream === undefined) return { logStreams: [...at.logs.keys()].map((logStreamName) => ({ logStreamName })) };
      const lines = at.logs.get(stream) ?? [];
      const events = lines.slice(Number(nextToken)).map((message, timestamp) => ({ message, timestamp }));
      return { events, nextForwardToken: `${lines.length}` };
    };
    vi.spyOn(CloudWatchLogsClient.prototype, 'send').mockImplementation(answer as never);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(at.project, { recursive: true });
  });
}

export function write(path: string, text: string): void {
  mkdirSync(join(at.project, path, '..'), { recursive: true });
  writeFileSync(join(at.project, path), text);
}
export const params = (estimator: object) =>
  write('params.yaml', stringify({ ...PARAMS, pytorch_estimator: { ...PARAMS.pytorch_estimator, ...estimator } }));

export async function t2i(
  argv: readonly string[],
  given: { signal?: AbortSignal; terminal?: boolean; env?: object } = {},
) {
  const sleep = async (milliseconds: number) => {
    at.waits.push(milliseconds);
    at.meanwhile();
  };
  const io = fakeIo({ cwd: at.project, sleep, ...given, env: { ...ENV, ...given.env } });
  const code = await main(argv, io);
  return { code, out: io.out(), err: io.err(), json: () => JSON.parse(io.out()) };
}
export const train = (...argv: string[]) => t2i(['train', '--on', 'sagemaker', ...argv]);
export const job = () => `${at.service.created[0]}`;

export const RESULT = { status: 'finished', run: 'runs/run_1' };
/** Leaves a model in S3, as a container does. */
export async function leaveModel(key: string): Promise<void> {
  const files: Record<string, string> = { 'run.json': '{}', 'options.json': '{}' };
  const hashes = Object.entries(files).map(([name, text]) => [
    name,
    { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') },
  ]);
  files['t2i-job.json'] = JSON.stringify({ formatVersion: 1, result: RESULT, files: Object.fromEntries(hashes) });
  const segments = tarSegments(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) })));
  const chunks: Buffer[] = [];
  const { signal } = new AbortController();
  for await (const chunk of readSegments(segments, 0, sizeOf(segments), signal)) chunks.push(chunk);
  at.bucket.put(key, gzipSync(Buffer.concat(chunks)));
}
/** A job that is done, with a model of the run. */
export async function addDone(name: string, changes: object = {}): Promise<void> {
  await leaveModel('out/model.tar.gz');
  at.service.add(name, {
    ...{ TrainingJobStatus: 'Completed', SecondaryStatus: 'Completed', HyperParameters: { t2i_run: 'run_1' } },
    ...{ ModelArtifacts: { S3ModelArtifacts: 's3://flowers/out/model.tar.gz' } },
    ...{ TrainingTimeInSeconds: 100, BillableTimeInSeconds: 40, ...changes },
  });
}
export const report = () => JSON.parse(readFileSync(join(at.project, 'reports/training.json'), 'utf8'));

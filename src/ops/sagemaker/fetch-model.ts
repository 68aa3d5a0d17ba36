import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { DescribeTrainingJobResponse } from '@aws-sdk/client-sagemaker';
import { z } from 'zod';
import { awsError } from '../../aws/errors.js';
import { parseS3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import { untar } from '../archive/untar.js';
import { NAME } from '../params/name.js';
import type { FileRecord } from '../transfer/tree.js';
import { runOf } from './job.js';

/** What the container writes beside the model (trainer/t2i_trainer/container/project.py). */
const RECORD_FILE = 't2i-job.json';
const RECORD = z.object({
  formatVersion: z.literal(1),
  result: z.record(z.string(), z.unknown()),
  files: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
});
const LIMITS = { files: 10_000, bytes: 256 * 2 ** 30 };

/**
 * Refuses a run folder that a fetched model would replace though it is another training's.
 *
 * @throws T2IError OPTION_INVALID
 */
export async function refuseOtherRun(project: string, run: string): Promise<void> {
  const folder = join(project, 'runs', run);
  if (!existsSync(join(folder, 'options.json')) || existsSync(join(folder, RECORD_FILE))) return;
  throw new T2IError('OPTION_INVALID', `runs/${run} holds a run that was trained here`, {
    hint: 'Give this training another name: --run NAME',
  });
}

/**
 * Fetches what a job made into `runs/<name>/`, as a training on this machine leaves it. It is there whole or not at all.
 *
 * @returns what the training said that it made
 * @throws T2IError DOWNLOAD_INVALID where a file is not the one of its record, or the archive holds what it must not; IO_FAILED, and as S3
 */
export async function fetchModel(
  project: string,
  job: DescribeTrainingJobResponse,
  store: S3Store,
  secrets: readonly string[],
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const [name = '', run = ''] = [job.TrainingJobName, runOf(job)];
  const uri = job.ModelArtifacts?.S3ModelArtifacts;
  if (uri === undefined || !NAME.pattern.test(run))
    throw new T2IError('DOWNLOAD_INVALID', `The training job ${name} has no model that this package made`);
  await refuseOtherRun(project, run);
  const runs = join(project, 'runs');
  const fresh = join(runs, `.${name}-${randomBytes(6).toString('hex')}.tmp`);
  await makeFolder(fresh);
  try {
    const files = await unpack(uri, fresh, store, secrets, signal);
    const record = await readRecord(fresh, uri);
    refuseOthers(files, record.files, uri);
    await rm(join(runs, run), { recursive: true, force: true });
    await rename(fresh, join(runs, run));
    return record.result;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function unpack(uri: string, folder: string, store: S3Store, secrets: readonly string[], signal: AbortSignal) {
  const { body } = await store.open(parseS3Address(uri, 'the model'), signal);
  // Whoever reads it is told what goes wrong; where reading ends before it does, S3 is let go of.
  const chunks = pipeline(body, createGunzip(), () => {});
  try {
    return await untar(chunks, folder, uri, LIMITS);
  } catch (error) {
    signal.throwIfAborted();
    if (`${(error as NodeJS.ErrnoException).code}`.startsWith('Z_'))
      throw new T2IError('DOWNLOAD_INVALID', `${uri} is no whole gzip file`, { cause: error });
    throw awsError(error, `Cannot fetch ${uri}`, secrets);
  } finally {
    chunks.destroy();
  }
}

async function readRecord(folder: string, uri: string): Promise<z.output<typeof RECORD>> {
  const record = await readFile(join(folder, RECORD_FILE), 'utf8')
    .then(JSON.parse)
    .catch(() => undefined);
  const parsed = RECORD.safeParse(record);
  if (parsed.success) return parsed.data;
  throw new T2IError('DOWNLOAD_INVALID', `${uri} has no ${RECORD_FILE} of a training that ended`);
}

/** @throws T2IError DOWNLOAD_INVALID with every file that is not as it was recorded */
function refuseOthers(
  files: Readonly<Record<string, FileRecord>>,
  expected: Readonly<Record<string, FileRecord>>,
  uri: string,
): void {
  const names = new Set([...Object.keys(files), ...Object.keys(expected)]);
  names.delete(RECORD_FILE);
  const issues = [...names]
    .filter((name) => files[name]?.sha256 !== expected[name]?.sha256)
    .map((option) => ({
      option,
      expected: expected[option] ? `sha256 ${expected[option].sha256}` : 'no such file',
      received: files[option] ? `sha256 ${files[option].sha256}` : 'none',
    }));
  if (issues.length === 0) return;
  throw new T2IError('DOWNLOAD_INVALID', `${issues.length} files in ${uri} are not those that the training made`, {
    issues,
    hint: 'Nothing was kept.',
  });
}

import { join } from 'node:path';
import { isS3Address, parseS3Address } from '../aws/s3-address.js';
import { type PushFormat, pushToS3 } from '../ops/s3/push.js';
import { type PushProgress, type PushReport, pushFolders } from '../ops/transfer/push-folders.js';
import type { Io } from './io.js';
import { openS3 } from './open-s3.js';
import { StatusLine } from './status-line.js';
import { writeReport } from './write-report.js';

export interface Push {
  /** Folders by path from the project. */
  readonly folders: readonly string[];
  /** A folder, or `s3://BUCKET/PREFIX`. */
  readonly target: string;
  /** What the target is called where it cannot be one. */
  readonly option: string;
  /** How files lie in S3; a folder always gets them as they are. */
  readonly format: PushFormat;
  /** What is copied, a word for the progress. */
  readonly what: string;
  /** Of the report. */
  readonly name: string;
}

/**
 * Copies folders of a project elsewhere with its progress on standard error, and writes what lies there now to `reports/<name>.json`.
 */
export async function pushWithReport(project: string, push: Push, io: Io): Promise<PushReport> {
  const status = new StatusLine(io);
  try {
    const report = await copy(project, push, io, ({ done, total }) =>
      status.show(`${push.what} ${done}/${total} files`),
    );
    // How much of it was new depends on what an earlier push had done: the report of the same files stays the same.
    const { copied: _, ...result } = report;
    await writeReport(project, push.name, result);
    return report;
  } finally {
    status.clear();
  }
}

async function copy(
  project: string,
  { folders, target, option, format }: Push,
  io: Io,
  onProgress: (progress: PushProgress) => void,
): Promise<PushReport> {
  if (!isS3Address(target)) return pushFolders(project, folders, target, io.signal, onProgress);
  const address = parseS3Address(target, option);
  const store = await openS3(project, io);
  try {
    const named = folders.map((name) => ({ name, path: join(project, name) }));
    return await pushToS3(store, named, address, { format }, io.signal, onProgress);
  } finally {
    store.close();
  }
}

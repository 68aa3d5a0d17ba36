import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { T2IError } from '../../errors.js';
import { writeJsonFile } from '../../files.js';
import { copyFile, type FileRecord, hashOf, listFiles, listFolder, sameFile, type TreeRecord } from './tree.js';

export interface PushProgress {
  readonly done: number;
  readonly total: number;
}

/** What was pushed; the record of all files lies beside them as `manifest.json`. */
export interface PushResult {
  /** Where to. */
  readonly target: string;
  readonly files: number;
  readonly bytes: number;
  /** Of manifest.json. */
  readonly manifest_sha256: string;
}

/** What a push did this time. */
export interface PushReport extends PushResult {
  /** Files that were not there yet, or were others. */
  readonly copied: number;
}

/** The record of what a push left, beside it. */
export const MANIFEST = 'manifest.json';

/**
 * Copies folders of a project into another folder, each below its own path, and removes what a push before left there that is no
 * longer part of it. What is there already is not copied again, so a push that was stopped goes on.
 *
 * @param folders by path from the project; one that is missing is left out
 * @param target folder; relative to the project
 * @throws T2IError DATA_INVALID where a file changes while it is read, IO_FAILED; the signal's reason when aborted
 */
export async function pushFolders(
  project: string,
  folders: readonly string[],
  target: string,
  signal: AbortSignal,
  onProgress: (progress: PushProgress) => void = () => {},
): Promise<PushReport> {
  refuseAddress(target);
  const to = resolve(project, target);
  const paths = (await Promise.all(folders.map(async (folder) => below(project, folder)))).flat();
  const manifest: Record<string, FileRecord> = {};
  let copied = 0;
  for (const [done, path] of paths.entries()) {
    onProgress({ done, total: paths.length });
    const [source, copy] = [join(project, path), join(to, path)];
    const same = await sameFile(source, copy, signal);
    if (same === null) copied++;
    manifest[path] = same ?? (await copyFile(source, copy, signal));
  }
  onProgress({ done: paths.length, total: paths.length });
  await removeOthers(to, manifest);
  await writeJsonFile(join(to, MANIFEST), manifest);
  const { sha256 } = await hashOf(join(to, MANIFEST), signal);
  const bytes = Object.values(manifest).reduce((sum, file) => sum + file.bytes, 0);
  return { target, files: paths.length, bytes, manifest_sha256: sha256, copied };
}

async function below(project: string, folder: string): Promise<string[]> {
  return (await listFolder(join(project, folder))).map((file) => `${folder}/${file}`);
}

async function removeOthers(to: string, manifest: TreeRecord): Promise<void> {
  for (const path of await listFiles(to)) {
    if (path !== MANIFEST && !Object.hasOwn(manifest, path)) await rm(join(to, path), { force: true });
  }
}

function refuseAddress(target: string): void {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1];
  if (scheme === undefined) return;
  const issue = { option: 'data.remote', expected: 'a folder or s3://BUCKET/PREFIX', received: `${scheme}://` };
  throw new T2IError('OPTION_INVALID', `data.remote: expected ${issue.expected}, received ${scheme}://`, {
    issues: [issue],
  });
}

import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { withFileLock } from '../../file-lock.js';
import { makeFolder, writeJsonFile } from '../../files.js';
import { copyFile, hashOf } from '../transfer/tree.js';
import { PROMOTIONS } from './history.js';
import { METADATA_FILE, modelKey, type PromotedModel, type RunRecord } from './records.js';

/** Where a project's promoted model lies, and where those before it are kept. */
export interface Place {
  /** Absolute path of the project. */
  readonly project: string;
  /** Absolute path of the folder with `diffuser/` and `model_metadata.json`. */
  readonly folder: string;
}

/** Writes a model's files, each the one of its record, into a new folder. @throws T2IError */
export type Source = (model: RunRecord, to: string, signal: AbortSignal) => Promise<void>;

const within = ({ project }: Place, ...path: string[]) => join(project, PROMOTIONS, ...path);
const incoming = (place: Place) => within(place, 'incoming');
const outgoing = (place: Place) => within(place, 'outgoing');
const versions = (place: Place) => within(place, 'versions');

/** The folder of the promoted model. */
export const modelFolder = ({ folder }: Place) => join(folder, 'diffuser');
/** The folder that has an earlier version's files, where they are kept. */
export const keptFolder = (place: Place, model: RunRecord) => join(versions(place), modelKey(model));

/** Lets one process at a time change what is promoted. @throws T2IError IO_FAILED; the signal's reason when aborted */
export async function withPlace<T>(
  place: Place,
  { signal, onWait }: { readonly signal: AbortSignal; readonly onWait: () => void },
  work: () => Promise<T>,
): Promise<T> {
  await makeFolder(within(place));
  return withFileLock(within(place, '.lock'), { signal, onWait }, async () => {
    await clean(place);
    try {
      return await work();
    } finally {
      await clean(place);
    }
  });
}

/** What a process that was killed, or one that failed, had not put in its place. */
async function clean(place: Place): Promise<void> {
  for (const path of [incoming(place), outgoing(place)]) await rm(path, { recursive: true, force: true });
}

/** Whether the promoted files are those of a record, all of them. @throws the signal's reason */
export async function holds(place: Place, model: RunRecord, signal: AbortSignal): Promise<boolean> {
  return holdsIn(modelFolder(place), model, signal);
}

/** As {@link holds}, of a folder. */
export async function holdsIn(folder: string, model: RunRecord, signal: AbortSignal): Promise<boolean> {
  for (const [path, { bytes, sha256 }] of Object.entries(model.files)) {
    const file = join(folder, path);
    if ((await stat(file).catch(() => null))?.size !== bytes) return false;
    if ((await hashOf(file, signal)).sha256 !== sha256) return false;
  }
  return true;
}

/**
 * Brings a model's files into the project, whole and checked, before anything is replaced: from the first source that has them.
 *
 * @throws T2IError as the first source that failed other than by having no such file
 */
export async function fetchModel(
  place: Place,
  model: RunRecord,
  sources: readonly Source[],
  signal: AbortSignal,
): Promise<string> {
  const errors: T2IError[] = [];
  for (const source of sources) {
    await rm(incoming(place), { recursive: true, force: true });
    try {
      await source(model, incoming(place), signal);
      return incoming(place);
    } catch (error) {
      signal.throwIfAborted();
      if (!T2IError.is(error)) throw error;
      errors.push(error);
    }
  }
  // That a source never had it says less than what is wrong where it is.
  throw errors.find(({ cause }) => (cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') ?? errors[0];
}

/** The files of the run as it was trained. */
export const fromRuns =
  ({ project }: Place): Source =>
  (model, to, signal) =>
    copyModel(join(project, 'runs', model.run_name, 'best'), model, to, signal);

/** The files of what is promoted now. */
export const fromPromoted =
  (place: Place): Source =>
  (model, to, signal) =>
    copyModel(modelFolder(place), model, to, signal);

/** The files of a version that was promoted before. */
export const fromVersions =
  (place: Place): Source =>
  (model, to, signal) =>
    copyModel(keptFolder(place, model), model, to, signal);

async function copyModel(from: string, { files }: RunRecord, to: string, signal: AbortSignal): Promise<void> {
  await makeFolder(to);
  for (const [path, record] of Object.entries(files)) await copyFile(join(from, path), join(to, path), signal, record);
}

/**
 * Puts what {@link fetchModel} brought where the promoted model lies, and its record last. A kill in between leaves the files of one
 * model, whole, or none; {@link holds} tells that the record is of another, and the files of that one are among the versions.
 *
 * @param before what is replaced, which is whole and becomes one of the versions
 * @throws T2IError IO_FAILED
 */
export async function install(place: Place, model: PromotedModel, before: PromotedModel | null): Promise<void> {
  await makeFolder(place.folder);
  await moving(modelFolder(place), async () => {
    await putAside(place, before);
    await rename(incoming(place), modelFolder(place));
  });
  await writeJsonFile(join(place.folder, METADATA_FILE), model);
}

/** Puts back the files of what is promoted, after {@link fetchModel}. Its record stays as it is. @throws T2IError IO_FAILED */
export async function restore(place: Place): Promise<void> {
  await makeFolder(place.folder);
  await moving(modelFolder(place), async () => {
    await putAside(place, null);
    await rename(incoming(place), modelFolder(place));
  });
}

async function putAside(place: Place, before: PromotedModel | null): Promise<void> {
  if (before === null) return discard(place, modelFolder(place));
  await makeFolder(versions(place));
  // One that lies there already, as after a kill, may be damaged; what is replaced is whole.
  await discard(place, keptFolder(place, before));
  await renameIfThere(modelFolder(place), keptFolder(place, before));
}

/** Takes a folder away whole: a kill in the middle of its removal leaves no part of it under its name. */
async function discard(place: Place, path: string): Promise<void> {
  await rm(outgoing(place), { recursive: true, force: true });
  await renameIfThere(path, outgoing(place));
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
  });
}

async function moving(path: string, work: () => Promise<void>): Promise<void> {
  await work().catch((cause: Error) => {
    throw new T2IError('IO_FAILED', `Cannot replace ${path}: ${cause.message}`, {
      hint: `Check the permissions of the project; ${PROMOTIONS}/ and the folder of the promoted model must be on one disk.`,
      cause,
    });
  });
}

/** Removes the files of versions, but for those that are kept. */
export async function pruneVersions(place: Place, kept: readonly RunRecord[]): Promise<void> {
  const keys = new Set(kept.map(modelKey));
  for (const name of await readdir(versions(place)).catch(() => [])) {
    if (!keys.has(name)) await discard(place, join(versions(place), name));
  }
}

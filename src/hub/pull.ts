import { statfs } from 'node:fs/promises';
import { T2IError } from '../errors.js';
import { makeFolder } from '../files.js';
import type { Wait } from '../http/retry.js';
import { checkFamily } from '../model/family.js';
import { ModelFiles } from '../model/model-files.js';
import { HubCache } from './cache.js';
import { chooseFiles } from './choose-files.js';
import { download } from './download.js';
import { hashOf, sizeOf } from './partial-file.js';
import { fileAddress, hintFor, type RemoteFile, readCommit, readTree } from './remote.js';
import type { HubReference } from './repo-name.js';
import { type HubSettings, hubHeaders } from './settings.js';

/** How far a download has come. */
export interface PullProgress {
  readonly bytes: number;
  readonly totalBytes: number;
  readonly files: number;
  readonly totalFiles: number;
}

export interface PullOptions {
  readonly hub: HubSettings;
  readonly signal: AbortSignal;
  /** Reads the files that are there already, too, rather than trusting their sizes. */
  readonly verify?: boolean | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  /** Tries of each question that lists files. */
  readonly attempts?: number | undefined;
  readonly wait?: Wait | undefined;
}

/** A model of the Hub that lies in the cache. */
export interface PulledModel {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  /** Absolute path of its folder. */
  readonly dir: string;
  readonly files: number;
  readonly bytes: number;
  /** Files that were fetched this time. */
  readonly fetched: number;
}

const AT_ONCE = 4;
/** Files that say what model it is are fetched and looked at before its weights. */
const TELLING = /^(model_index\.json|unet\/config\.json)$/;

/**
 * Fetches the files of a model that are not in the cache yet, four at a time.
 *
 * @throws T2IError MODEL_INVALID for what cannot run here, before its weights are fetched; DOWNLOAD_INVALID, IO_FAILED; as `request`;
 *   the signal's reason when aborted: what came so far is kept, and the next pull goes on with it
 */
export async function pullModel(reference: HubReference, options: PullOptions): Promise<PulledModel> {
  const { hub, signal, attempts } = options;
  const { repo, revision } = reference;
  if (hub.offline) throw offline(repo);
  const commit = await readCommit(hub, reference, 'models', { signal, attempts });
  const tree = await readTree(hub, { repo, revision: commit }, 'models', { signal, attempts });
  const files = chooseFiles(repo, tree);
  const cache = new HubCache(hub.cache);
  await makeFolder(hub.cache);
  await cache.ownBlobs(repo);
  await refuseFullDisk(cache, repo, files);
  const fetched = await fetchAll(files, { repo, commit, cache, options });
  await cache.keepRef(repo, revision, commit);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { repo, revision, commit, dir: cache.snapshotOf(repo, commit), files: files.length, bytes, fetched };
}

interface Target {
  readonly repo: string;
  readonly commit: string;
  readonly cache: HubCache;
  readonly options: PullOptions;
}

/** Returns how many files were fetched. */
async function fetchAll(files: readonly RemoteFile[], target: Target): Promise<number> {
  const { repo, commit, cache, options } = target;
  const { hub, verify = false, onProgress = () => {}, wait } = options;
  const headers = await hubHeaders(hub);
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let [bytes, done, fetched] = [0, 0, 0];
  const tell = () => onProgress({ bytes, totalBytes, files: done, totalFiles: files.length });
  const fetchOne = async (file: RemoteFile, signal: AbortSignal) => {
    const hash = hashOf(file);
    const fresh = await download({
      ...{ file, headers, signal, verify, wait },
      url: fileAddress(hub, repo, commit, file.path),
      hint: hintFor(hub, repo, headers),
      to: cache.blobOf(repo, hash),
      lock: cache.lockOf(repo, hash),
      onBytes: (more) => {
        bytes += more;
        tell();
      },
    });
    done++;
    if (fresh) fetched++;
    tell();
  };
  const telling = files.filter(({ path }) => TELLING.test(path));
  const rest = files.filter((file) => !telling.includes(file));
  const link = async (linked: readonly RemoteFile[]) => {
    for (const file of linked) await cache.link(repo, commit, file.path, hashOf(file));
  };
  await eachOf(telling, options.signal, fetchOne);
  await link(telling);
  if (telling.length > 0) await checkFamily(await ModelFiles.open(cache.snapshotOf(repo, commit)));
  await eachOf(rest, options.signal, fetchOne);
  // The graphs last: a snapshot that has them has all.
  const isGraph = ({ path }: RemoteFile) => path.endsWith('.onnx');
  await link([...rest.filter((file) => !isGraph(file)), ...rest.filter(isGraph)]);
  return fetched;
}

/** Works on a few at a time; the first failure ends all. */
async function eachOf<T>(
  items: readonly T[],
  outer: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      signal.throwIfAborted();
      await work(item, signal);
    }
  };
  const workers = Array.from({ length: Math.min(AT_ONCE, items.length) }, () =>
    worker().catch((error) => {
      if (!failed.signal.aborted) failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  outer.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
}

/** @throws T2IError IO_FAILED where the disk has not the space that is needed */
async function refuseFullDisk(cache: HubCache, repo: string, files: readonly RemoteFile[]): Promise<void> {
  const { bavail, bsize } = await statfs(cache.dir);
  const there = await Promise.all(files.map((file) => sizeOf(cache.blobOf(repo, hashOf(file)))));
  const needed = files.reduce((sum, { bytes }, at) => sum + (there[at] === bytes ? 0 : bytes), 0);
  const free = bavail * bsize;
  if (needed <= free) return;
  throw new T2IError('IO_FAILED', `${cache.dir} has ${free} bytes free, and ${repo} needs ${needed} more`, {
    hint: 'Free some space (t2i models), or name a folder on another disk with HF_HOME or HF_HUB_CACHE.',
  });
}

function offline(repo: string): T2IError {
  return new T2IError('NETWORK_FAILED', `${repo} is not fetched: HF_HUB_OFFLINE is set`, {
    hint: 'Unset HF_HUB_OFFLINE, or name a model that is in the cache: t2i models',
  });
}

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../errors.js';
import { HttpError } from '../http/http-error.js';
import { resolveModel } from '../model/resolve.js';
import type { PullProgress } from './pull.js';
import { type HubReference, readReference } from './repo-name.js';
import type { HubSettings } from './settings.js';

export interface FindOptions {
  /** Asked where the model may be on the Hub, and not before; the environment of this process says it where it is left out. */
  readonly hub?: (() => Promise<HubSettings>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  /** Told where the Hub cannot be asked, and what was fetched before is used. */
  readonly onNote?: ((message: string) => void) | undefined;
}

/** Tries of a question where the answer can be done without. */
const FEW = 2;

/**
 * Absolute path of a model directory: as `resolveModel` finds it, else the model OWNER/NAME or OWNER/NAME@REVISION of the Hub, whose
 * files are fetched where they are not in the cache. A commit that was fetched is not asked for again; where the Hub cannot be
 * reached, what a branch or tag meant last is used.
 *
 * @throws T2IError as `resolveModel` and `pullModel`; MODEL_NOT_FOUND where the Hub has no such model, either
 */
export async function findModel(nameOrDir: string | undefined, options: FindOptions = {}): Promise<string> {
  try {
    return await resolveModel(nameOrDir);
  } catch (error) {
    const reference = T2IError.is(error) && error.code === 'MODEL_NOT_FOUND' ? readReference(nameOrDir ?? '') : null;
    if (reference === null || (await isBesideFolder(nameOrDir as string))) throw error;
    return fromHub(reference, error as T2IError, options);
  }
}

const hubOfProcess = async () => (await import('./settings.js')).hubSettings(process.env);

/** A path into a folder that is there is a slip in the path. */
async function isBesideFolder(path: string): Promise<boolean> {
  return (await stat(path.split('/', 1)[0] as string).catch(() => null))?.isDirectory() ?? false;
}

async function fromHub(reference: HubReference, notFound: T2IError, options: FindOptions): Promise<string> {
  const { signal = new AbortController().signal, hub: hubOf = hubOfProcess, onProgress, onNote } = options;
  const [hub, { HubCache }, { isCommit }] = await Promise.all([
    hubOf(),
    import('./cache.js'),
    import('./repo-name.js'),
  ]);
  const { repo, revision } = reference;
  const cache = new HubCache(hub.cache);
  const commit = await cache.commitOf(repo, revision);
  const known = commit === null ? null : await wholeSnapshot(cache.snapshotOf(repo, commit));
  if (known !== null) await cache.ownBlobs(repo);
  if (known !== null && (hub.offline || isCommit(revision))) return known;
  const { pullModel } = await import('./pull.js');
  try {
    const attempts = known === null ? undefined : FEW;
    return (await pullModel(reference, { hub, signal, onProgress, attempts })).dir;
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    if (known !== null && error.code === 'NETWORK_FAILED') {
      onNote?.(`${repo} cannot be asked for on ${hub.endpoint}; what was fetched before is used (${commit})`);
      return known;
    }
    if (error.code === 'NETWORK_FAILED') {
      // A path that is not there may look like a name of the Hub.
      throw new T2IError(error.code, `${notFound.message} Nor can the Hub be asked: ${error.message}`, {
        hint: ['Where a folder is meant, check its path.', error.hint].join(' ').trim(),
        cause: error,
      });
    }
    // To strangers the Hub says 401 of what is not there, too; 403 is of what is.
    const isStranger = error instanceof HttpError && error.status === 401 && (await hub.token()) === null;
    if (error.code !== 'REMOTE_NOT_FOUND' && !isStranger) throw error;
    throw new T2IError('MODEL_NOT_FOUND', `${notFound.message} Nor is there ${repo}@${revision} at ${hub.endpoint}.`, {
      hint: error.hint,
      cause: error,
    });
  }
}

/** The folder of a snapshot that has every graph of a model, which is given them last; null for another. */
async function wholeSnapshot(dir: string): Promise<string | null> {
  const graphs = ['text_encoder', 'unet', 'vae_decoder'].map((network) => join(dir, network, 'model.onnx'));
  const found = await Promise.all(graphs.map((path) => stat(path).catch(() => null)));
  return found.every((info) => info?.isFile()) ? dir : null;
}

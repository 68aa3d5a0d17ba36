import { below, parseS3Address, type S3Address, s3AddressIssues } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import { openObject } from '../s3/download.js';
import type { Bounds, Opened } from '../transfer/download.js';
import type { ArtifactStore, Listed } from './artifacts.js';
import type { MlflowRun } from './runs.js';

/** The files of a run whose server keeps them in S3, to be read there (`--default-artifact-root s3://BUCKET/PREFIX`). */
export class S3Artifacts implements ArtifactStore {
  readonly #store: S3Store;
  readonly #folder: S3Address;

  /** @param folder of the run */
  constructor(store: S3Store, folder: S3Address) {
    this.#store = store;
    this.#folder = folder;
  }

  async *list(folder: string, signal: AbortSignal): AsyncGenerator<Listed> {
    const start = `${this.#folder.key}/`.length;
    for await (const { key, bytes } of this.#store.list(below(this.#folder, folder), signal))
      yield { path: key.slice(start), bytes, isFolder: false };
  }

  open(path: string, bounds: Bounds, signal: AbortSignal): Promise<Opened> {
    return openObject(this.#store, below(this.#folder, path), bounds, signal);
  }
}

/** Where a run's files are in S3, as its server says. @throws T2IError REMOTE_REFUSED */
export function addressInS3({ name, artifacts }: MlflowRun): S3Address {
  const [issue] = s3AddressIssues(artifacts, 'artifact_uri');
  if (issue === undefined) return parseS3Address(artifacts, 'artifact_uri');
  throw new T2IError(
    'REMOTE_REFUSED',
    `The MLflow server keeps the files of the run ${name} at no address in S3: ${issue.problem}`,
    {
      hint: 'Start the server with --default-artifact-root s3://BUCKET/PREFIX, and train into an experiment that is made then.',
    },
  );
}

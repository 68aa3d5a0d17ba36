import { rename, rm } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { isS3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import { type Bounds, download, type Opened } from '../transfer/download.js';
import { type FileRecord, hashOf } from '../transfer/tree.js';
import type { MlflowRun } from './runs.js';
import { addressInS3, S3Artifacts } from './s3-artifacts.js';
import { ServedArtifacts } from './served-artifacts.js';
import type { MlflowServer } from './server.js';

/** A file of a run, by its path below the run's artifacts. */
export interface Artifact {
  readonly path: string;
  readonly bytes: number;
}

export interface Listed extends Artifact {
  readonly isFolder: boolean;
}

/** Where the files of one run are kept. What comes from there is not trusted: {@link Artifacts} looks at it. */
export interface ArtifactStore {
  /** The files below a folder, as the store names them; a folder in it comes before its own files are asked for. */
  list(folder: string, signal: AbortSignal): AsyncIterable<Listed>;
  open(path: string, bounds: Bounds, signal: AbortSignal): Promise<Opened>;
}

/** A name that stays below the folder it is written to, and that an address can hold: of whole characters. */
const PATH = /^(?!\/)(?!.*[\\\0\p{Cs}])(?!(.*\/)?\.\.?(\/|$)).{1,500}$/u;
const MOST_FILES = 10_000;

/** The files of a run, which its server hands out, or keeps in S3 for whoever may read there. */
export class Artifacts {
  readonly #run: MlflowRun;
  readonly #store: ArtifactStore;

  private constructor(run: MlflowRun, store: ArtifactStore) {
    this.#run = run;
    this.#store = store;
  }

  /**
   * @param s3 opens S3, of a run whose files are there alone
   * @throws T2IError REMOTE_REFUSED for a run whose files are kept elsewhere, or at an address that is none
   */
  static async of(server: MlflowServer, run: MlflowRun, s3: () => Promise<S3Store>): Promise<Artifacts> {
    if (!isS3Address(run.artifacts)) return new Artifacts(run, new ServedArtifacts(server, run, folderServed(run)));
    const folder = addressInS3(run);
    return new Artifacts(run, new S3Artifacts(await s3(), folder));
  }

  /**
   * The files below a folder, and those of the folders in it.
   *
   * @throws T2IError REMOTE_REFUSED for names that lead elsewhere, or more than 10,000 of them; else as {@link MlflowServer.get} or S3
   */
  async list(folder: string, signal: AbortSignal): Promise<Artifact[]> {
    const found: Artifact[] = [];
    let names = 0;
    for await (const { path, bytes, isFolder } of this.#store.list(folder, signal)) {
      if (!this.#checked(path).startsWith(`${folder}/`)) throw this.#wrongPath(path);
      if (!isFolder) found.push({ path, bytes });
      if (++names > MOST_FILES) throw this.#refused(`more than ${MOST_FILES} files`);
    }
    return found;
  }

  /** A small file, of which no record is known. @throws T2IError REMOTE_REFUSED where it has more bytes; else as {@link list} */
  async read(path: string, most: number, signal: AbortSignal): Promise<string> {
    const { chunks } = await this.#store.open(this.#checked(path), { start: 0, most }, signal);
    return (await buffer(chunks)).toString();
  }

  /**
   * Fetches a file, going on where an earlier try broke off; it lies at `to` only once it is whole and the one that was expected.
   *
   * @throws T2IError DATA_INVALID where it is another file, IO_FAILED; else as {@link list}
   */
  async download(path: string, to: string, expected: FileRecord, signal: AbortSignal): Promise<void> {
    const [name, part] = [this.#checked(path), `${to}.part`];
    await download((bounds) => this.#store.open(name, bounds, signal), part, expected.bytes, signal);
    const { bytes, sha256 } = await hashOf(part, signal);
    if (sha256 !== expected.sha256) {
      await rm(part);
      throw new T2IError('DATA_INVALID', `${path} of the run ${this.#run.name} is not the file that its record names`, {
        hint: `Expected ${expected.bytes} bytes with SHA-256 ${expected.sha256}, received ${bytes} with ${sha256}. Train again, or promote another run.`,
      });
    }
    await rename(part, to);
  }

  #checked(path: string): string {
    if (PATH.test(path)) return path;
    throw this.#wrongPath(path);
  }

  #wrongPath(path: string): T2IError {
    return this.#refused(`a file with the path ${JSON.stringify(path)}`);
  }

  #refused(what: string): T2IError {
    return new T2IError('REMOTE_REFUSED', `The MLflow server lists ${what} in the run ${this.#run.name}`, {
      hint: 'Check mlflow.server_uri; such a server is not to be trusted.',
    });
  }
}

/** The folder of a run on a server that hands out its files. */
function folderServed({ artifacts, name }: MlflowRun): string {
  const found = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.+)$/.exec(artifacts)?.[1];
  if (found !== undefined && PATH.test(found)) return found;
  const scheme = /^[a-z0-9+.-]+:/i.exec(artifacts)?.[0] ?? 'a path';
  throw new T2IError(
    'REMOTE_REFUSED',
    `The files of the run ${name} are kept at ${scheme}, where they cannot be read`,
    {
      hint: 'Start the server with --artifacts-destination, so that it hands them out, or with --default-artifact-root s3://BUCKET/PREFIX; or train into runs/ on this machine.',
    },
  );
}

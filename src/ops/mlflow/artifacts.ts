import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import { readChunks } from '../../http/body.js';
import { type FileRecord, hashOf } from '../transfer/tree.js';
import type { MlflowRun } from './runs.js';
import type { MlflowServer } from './server.js';
import { whole } from './values.js';

/** A file of a run, by its path below the run's artifacts. */
export interface Artifact {
  readonly path: string;
  readonly bytes: number;
}

/** A name that stays below the folder it is written to. */
const PATH = /^(?!\/)(?!.*[\\\0])(?!(.*\/)?\.\.?(\/|$)).{1,500}$/;
const MOST_FILES = 10_000;

/**
 * The files of a run below a folder of its artifacts, and of the folders in it.
 *
 * @throws T2IError REMOTE_REFUSED for names that lead elsewhere, or more than 10,000 files; else as {@link MlflowServer.get}
 */
export async function listArtifacts(server: MlflowServer, run: MlflowRun, folder: string): Promise<Artifact[]> {
  const schema = z.object({
    files: z
      .array(z.object({ path: z.string(), is_dir: z.boolean().default(false), file_size: whole.default(0) }))
      .default([]),
  });
  const found: Artifact[] = [];
  const folders = [folder];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    const { files } = await server.get('mlflow/artifacts/list', { run_id: run.id, path: at }, schema);
    for (const { path, is_dir, file_size } of files) {
      if (!PATH.test(path) || !path.startsWith(`${at}/`))
        throw refused(run, `a file with the path ${JSON.stringify(path)}`);
      if (is_dir) folders.push(path);
      else found.push({ path, bytes: file_size });
    }
    if (found.length + folders.length > MOST_FILES) throw refused(run, `more than ${MOST_FILES} files`);
  }
  return found;
}

/**
 * Fetches a file of a run whose artifacts the server hands out itself (`mlflow-artifacts:`), going on where an earlier try broke off;
 * it lies at `to` only once it is whole and the one that was expected.
 *
 * @throws T2IError DATA_INVALID where it is another file, REMOTE_REFUSED for artifacts that lie elsewhere, IO_FAILED; else as
 *   {@link MlflowServer.get}
 */
export async function downloadArtifact(
  server: MlflowServer,
  run: MlflowRun,
  path: string,
  to: string,
  expected: FileRecord,
  signal: AbortSignal,
): Promise<void> {
  const part = `${to}.part`;
  await makeFolder(dirname(to));
  const address = proxied(run, path);
  for (let tries = 0; ; tries++) {
    const start = Math.min((await stat(part).catch(() => null))?.size ?? 0, expected.bytes);
    try {
      if (start < expected.bytes || expected.bytes === 0)
        await fetchRest(server, address, part, start, expected, signal);
      break;
    } catch (error) {
      signal.throwIfAborted();
      const now = (await stat(part).catch(() => null))?.size ?? 0;
      // A connection that breaks off is taken up again, as long as it brings something.
      if (!T2IError.is(error) || error.code !== 'NETWORK_FAILED' || (now <= start && tries >= 3)) throw error;
    }
  }
  const { bytes, sha256 } = await hashOf(part, signal);
  if (bytes !== expected.bytes || sha256 !== expected.sha256) {
    await rm(part, { force: true });
    throw new T2IError('DATA_INVALID', `${path} of the run ${run.name} is not the file that its record names`, {
      hint: `Expected ${expected.bytes} bytes with SHA-256 ${expected.sha256}, received ${bytes} with ${sha256}. Train again, or promote another run.`,
    });
  }
  await rename(part, to);
}

async function fetchRest(
  server: MlflowServer,
  address: string,
  part: string,
  start: number,
  expected: FileRecord,
  signal: AbortSignal,
): Promise<void> {
  const response = await server.download(address, start, signal);
  // Without 206 it begins again, whatever was asked for.
  const from = response.status === 206 ? start : 0;
  const file = createWriteStream(part, from > 0 ? { flags: 'r+', start: from } : {});
  try {
    for await (const chunk of readChunks(response, { limit: expected.bytes - from, signal })) {
      if (!file.write(chunk)) await once(file, 'drain');
    }
  } finally {
    file.end();
    await finished(file).catch((cause: Error) => {
      throw new T2IError('IO_FAILED', `Cannot write ${part}: ${cause.message}`, {
        hint: 'Name a project folder that you may write to, on a disk that has space.',
        cause,
      });
    });
  }
}

/** The bytes of a small file of a run, of which no record is known. @throws T2IError as {@link downloadArtifact} */
export function openArtifact(
  server: MlflowServer,
  run: MlflowRun,
  path: string,
  signal: AbortSignal,
): Promise<Response> {
  return server.download(proxied(run, path), 0, signal);
}

/** Where the server hands out a file of a run. */
function proxied({ artifacts, name }: MlflowRun, path: string): string {
  const found = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.+)$/.exec(artifacts)?.[1];
  if (found === undefined || !PATH.test(found) || !PATH.test(path)) {
    const scheme = /^[a-z0-9+.-]+:/i.exec(artifacts)?.[0] ?? 'a path';
    throw new T2IError(
      'REMOTE_REFUSED',
      `The files of the run ${name} are kept at ${scheme}, not by the server itself`,
      {
        hint: 'Start the server with --artifacts-destination, so that it hands them out, or train into runs/ on this machine.',
      },
    );
  }
  return `mlflow-artifacts/artifacts/${`${found}/${path}`.split('/').map(encodeURIComponent).join('/')}`;
}

function refused({ name }: MlflowRun, what: string): T2IError {
  return new T2IError('REMOTE_REFUSED', `The MLflow server lists ${what} in the run ${name}`, {
    hint: 'Check mlflow.server_uri; such a server is not to be trusted.',
  });
}

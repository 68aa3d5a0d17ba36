import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { below, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { refuse } from '../../fields.js';
import { cannotRead } from '../../files.js';
import { TRAINER } from '../../trainer-folder.js';
import { readSegments, sizeOf } from '../archive/segments.js';
import { tarSegments } from '../archive/tar.js';
import type { Params } from '../params/schema.js';
import { listFiles } from '../transfer/tree.js';

/** What the container runs: the trainer, or code of the project's own, and the parameters as a file. */
export interface Code {
  /** A tar of `trainer/` and `params.json`. */
  readonly archive: Buffer;
  readonly sha256: string;
  /** The script that checks the archive, unpacks it and starts it. */
  readonly entry: Buffer;
  /** Files that hold a secret of this machine, by path below the folder of the code. */
  readonly leaking: readonly string[];
}

const LEFT_OUT = /(^|\/)(\.[^/]*|__pycache__|tests|mutants|[^/]*\.pyc)(\/|$)/;
const OWN_ENTRY = 'sm_entry.sh';

/**
 * @param secrets values that no file may hold
 * @throws T2IError OPTION_INVALID where the code or its entry point is not there, IO_FAILED where it cannot be read; the signal's reason
 */
export async function packCode(
  project: string,
  params: Params,
  secrets: readonly string[],
  signal: AbortSignal,
): Promise<Code> {
  const { source_dir: own, entry_point: script } = params.pytorch_estimator;
  const source = own === null ? TRAINER : join(project, own);
  const entryPath = own === null && script === OWN_ENTRY ? join('sagemaker', script) : script;
  const entryFile = join(source, entryPath);
  if (!(await isThere(source, 'isDirectory'))) refuseMissing('source_dir', 'a folder of the project', own);
  if (!(await isThere(entryFile, 'isFile'))) refuseMissing('entry_point', 'a file of source_dir', script);
  const names = (await listFiles(source)).filter((name) => !LEFT_OUT.test(name));
  const files = await Promise.all(names.map(async (name) => ({ name, content: await read(join(source, name)) })));
  const entry = await read(entryFile);
  const segments = tarSegments([
    ...files.map(({ name, content }) => ({ name: `trainer/${name}`, content })),
    { name: 'params.json', content: Buffer.from(JSON.stringify(params)) },
  ]);
  const chunks: Buffer[] = [];
  for await (const chunk of readSegments(segments, 0, sizeOf(segments), signal)) chunks.push(chunk);
  const archive = Buffer.concat(chunks);
  const leaking = namesHolding([...files, { name: entryPath, content: entry }], secrets);
  return { archive, sha256: sha256Of(archive), entry, leaking };
}

/** Names of the files that hold one of the secrets, each once. */
function namesHolding(
  files: readonly { readonly name: string; readonly content: Buffer }[],
  secrets: readonly string[],
): string[] {
  const holding = files.filter(({ content }) => secrets.some((secret) => content.includes(secret)));
  return [...new Set(holding.map(({ name }) => name))];
}

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw cannotRead(path, cause);
  });
}

async function isThere(path: string, kind: 'isFile' | 'isDirectory'): Promise<boolean> {
  try {
    return (await stat(path))[kind]();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw cannotRead(path, cause);
  }
}

function refuseMissing(key: string, expected: string, value: string | null): void {
  const received = `${JSON.stringify(value)}, which is not there`;
  refuse([{ option: `pytorch_estimator.${key}`, expected, received }]);
}

/** Where the code is put: by its hash, so that what is there is the same. */
export function codeAddress(base: S3Address, { sha256, entry }: Code): S3Address {
  return below(base, `code/${sha256Of(Buffer.from(sha256 + sha256Of(entry))).slice(0, 32)}`);
}

export async function sendCode(store: S3Store, address: S3Address, code: Code, signal: AbortSignal): Promise<void> {
  const files = { 'code.tar': code.archive, 'sm_entry.sh': code.entry };
  for (const [name, body] of Object.entries(files)) {
    const [to, sha256] = [below(address, name), sha256Of(body)];
    if ((await store.head(to, signal))?.sha256 !== sha256) await store.write(to, body, sha256, signal);
  }
}

/** What the container is started with. The variable is for machines that stand in for containers. */
export function containerCommand({ sha256 }: Code): { ContainerEntrypoint: string[]; ContainerArguments: string[] } {
  const script = `exec bash "\${T2I_ML_ROOT:-/opt/ml}/input/data/code/sm_entry.sh" ${sha256}`;
  return { ContainerEntrypoint: ['/bin/bash'], ContainerArguments: ['-c', script] };
}

export function sha256Of(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

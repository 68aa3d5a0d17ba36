import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Channel } from '@aws-sdk/client-sagemaker';
import { isMissingObject } from '../../aws/errors.js';
import { below, formatS3Address, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import type { Params } from '../params/schema.js';
import { type PushedFolder, parseManifest, pushToS3 } from '../s3/push.js';
import { MANIFEST } from '../transfer/push-folders.js';
import { hashOf, listFiles } from '../transfer/tree.js';
import { sha256Of } from './code.js';

/** Data as `t2i data push` left them. */
export interface PushedData {
  readonly address: S3Address;
  /** Of manifest.json, and so of every file. */
  readonly sha256: string;
  /** Keys below the address. */
  readonly archives: readonly string[];
}

/** @throws T2IError DATA_INVALID: a training without data would be paid for nothing */
export async function findData(store: S3Store, address: S3Address, signal: AbortSignal): Promise<PushedData> {
  const hint = 'Push them first: t2i data push';
  const refuse = (message: string, cause?: unknown) => new T2IError('DATA_INVALID', message, { hint, cause });
  const { body } = await store.read(below(address, MANIFEST), signal).catch((error) => {
    if (!isMissingObject(error)) throw error;
    throw refuse(`There are no data in ${formatS3Address(address)}`, error);
  });
  const manifest = parseManifest(body.toString());
  if (manifest === null || manifest.format === 'files')
    throw refuse(`${formatS3Address(below(address, MANIFEST))} is no manifest of data`);
  const archives = Object.keys(manifest.archives);
  if (archives.length === 0)
    throw refuse(`There are no data in ${formatS3Address(address)}: what was pushed holds none`);
  return { address, sha256: sha256Of(body), archives };
}

/**
 * Hash of what a listing tells of the wheels, whose address stays the same when others are put there.
 *
 * @throws T2IError DATA_INVALID: machines that find none would be paid for nothing
 */
export async function hashWheels(store: S3Store, address: S3Address, signal: AbortSignal): Promise<string> {
  const wheels: string[] = [];
  for await (const { key, bytes, etag } of store.list(address, signal)) wheels.push(`${key} ${bytes} ${etag}\n`);
  if (wheels.length > 0) return sha256Of(Buffer.from(wheels.join('')));
  throw new T2IError('DATA_INVALID', `There are no wheels in ${formatS3Address(address)}`, {
    hint: 'Put them there, or leave pytorch_estimator.wheels empty: packages then come from the package index.',
  });
}

/** Folders of models on this machine that the parameters name, and the parameters as they hold in the container. */
export interface Models {
  readonly folders: readonly PushedFolder[];
  readonly params: Params;
}

/** Models that are no folders here are names on the Hub, which the container fetches itself. */
export async function findModels(project: string, params: Params): Promise<Models> {
  const folders: PushedFolder[] = [];
  const sent = async (name: string, value: string) => {
    const path = isAbsolute(value) ? value : join(project, value);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory()) return value;
    folders.push({ name: `models/${name}`, path });
    return `models/${name}`;
  };
  const [text, autoencoder] = [await sent('clip', params.clip.model), await sent('vae', params.vae.model)];
  const start = params.unet.init_from === null ? null : await sent('init', params.unet.init_from);
  return {
    folders,
    params: {
      ...params,
      clip: { ...params.clip, model: text },
      vae: { ...params.vae, model: autoencoder },
      unet: { ...params.unet, init_from: start },
    },
  };
}

/** Where the models of a training lie: by the hash of all their files. Null where there are none to send. */
export async function modelsAddress(
  base: S3Address,
  { folders }: Models,
  signal: AbortSignal,
): Promise<S3Address | null> {
  if (folders.length === 0) return null;
  const hash = createHash('sha256');
  for (const { name, path } of folders) {
    for (const file of await listFiles(path))
      hash.update(`${name}/${file} ${(await hashOf(join(path, file), signal)).sha256}\n`);
  }
  return below(base, `inputs/${hash.digest('hex').slice(0, 32)}`);
}

export async function sendModels(
  store: S3Store,
  address: S3Address,
  { folders }: Models,
  signal: AbortSignal,
): Promise<void> {
  await pushToS3(store, folders, address, { format: 'shards' }, signal);
}

/**
 * A list of the data's files for the service to read (S3DataType ManifestFile): exactly these, whatever else lies beside them.
 */
export function dataList({ address, archives }: PushedData): Buffer {
  return Buffer.from(JSON.stringify([{ prefix: `${formatS3Address(address)}/` }, MANIFEST, ...archives]));
}

export interface Channels {
  readonly code: S3Address | null;
  /** Of the list. */
  readonly data: S3Address;
  readonly models: S3Address | null;
  readonly wheels: S3Address | null;
}

/** The inputs of a job. Each host gets all of every one. */
export function channelsOf({ code, data, models, wheels }: Channels): Channel[] {
  const channel = (name: string, uri: string, type: 'S3Prefix' | 'ManifestFile' = 'S3Prefix'): Channel => ({
    ChannelName: name,
    InputMode: 'File',
    DataSource: { S3DataSource: { S3DataType: type, S3Uri: uri, S3DataDistributionType: 'FullyReplicated' } },
  });
  return [
    ...(code === null ? [] : [channel('code', `${formatS3Address(code)}/`)]),
    channel('data', formatS3Address(data), 'ManifestFile'),
    ...(models === null ? [] : [channel('models', `${formatS3Address(models)}/`)]),
    ...(wheels === null ? [] : [channel('wheels', `${formatS3Address(wheels)}/`)]),
  ];
}

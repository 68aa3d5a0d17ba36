import { createWriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Channel } from '@aws-sdk/client-sagemaker';
import { parseS3Address, type S3Address } from '../../../aws/s3-address.js';
import type { S3Store } from '../../../aws/s3-store.js';
import { T2IError } from '../../../errors.js';
import { makeFolder, writeJsonFile } from '../../../files.js';

/**
 * Puts the inputs of a job where a container finds them, and says of them in `inputdataconfig.json`.
 *
 * @param root what stands for /opt/ml
 * @throws T2IError DATA_INVALID for a channel without files, and as S3
 */
export async function fillChannels(
  channels: readonly Channel[],
  root: string,
  store: S3Store,
  signal: AbortSignal,
): Promise<void> {
  const config: Record<string, unknown> = {};
  for (const channel of channels) {
    const { ChannelName: name = '', DataSource, InputMode = 'File', ContentType } = channel;
    const { S3DataType: type, S3Uri: uri = '', S3DataDistributionType: distribution } = DataSource?.S3DataSource ?? {};
    const target = join(root, 'input/data', name);
    await makeFolder(target);
    const files =
      type === 'ManifestFile'
        ? await downloadListed(store, uri, target, signal)
        : await download(store, prefixOf(uri), target, signal);
    if (files === 0) throw new T2IError('DATA_INVALID', `No S3 objects found under ${uri} of the channel ${name}`);
    config[name] = {
      TrainingInputMode: InputMode,
      S3DistributionType: distribution,
      RecordWrapperType: 'None',
      ...(ContentType ? { ContentType } : {}),
    };
  }
  await makeFolder(join(root, 'input/config'));
  await writeJsonFile(join(root, 'input/config/inputdataconfig.json'), config);
}

/** Downloads every object below an address. Returns how many there are. */
export async function download(store: S3Store, from: S3Address, to: string, signal: AbortSignal): Promise<number> {
  let files = 0;
  await makeFolder(to);
  for await (const { key } of store.list(from, signal)) {
    await downloadOne(store, { ...from, key }, join(to, inside(key.slice(from.key.length + 1))), signal);
    files++;
  }
  return files;
}

/** A list of S3DataType ManifestFile: `[{"prefix": "s3://…/"}, "name", …]`. */
async function downloadListed(store: S3Store, uri: string, to: string, signal: AbortSignal): Promise<number> {
  const { body } = await store.read(parseS3Address(uri, 'S3Uri'), signal);
  const [{ prefix }, ...names] = JSON.parse(body.toString()) as [{ prefix: string }, ...string[]];
  const from = prefixOf(prefix);
  for (const name of names)
    await downloadOne(store, { ...from, key: `${from.key}/${name}` }, join(to, inside(name)), signal);
  return names.length;
}

export async function downloadOne(store: S3Store, from: S3Address, to: string, signal: AbortSignal): Promise<void> {
  await makeFolder(dirname(to));
  const { body } = await store.open(from, signal);
  await pipeline(body, createWriteStream(to));
}

function prefixOf(uri: string): S3Address {
  return parseS3Address(uri, 'S3Uri');
}

/** @throws T2IError DATA_INVALID for a key that leads elsewhere */
function inside(path: string): string {
  if (path.split('/').some((part) => /^\.{0,2}$/.test(part)) || path.includes('\\'))
    throw new T2IError('DATA_INVALID', `the key ${JSON.stringify(path)} leads out of its folder`);
  return path;
}

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { isMissingObject } from '../../aws/errors.js';
import { below, formatS3Address, type S3Address } from '../../aws/s3-address.js';
import type { S3Store } from '../../aws/s3-store.js';
import { cannotRead } from '../../files.js';
import { hashSegments, type Segments, sizeOf } from '../archive/segments.js';
import { tarSegments } from '../archive/tar.js';
import { zipSegments } from '../archive/zip.js';
import { MANIFEST, type PushProgress, type PushReport } from '../transfer/push-folders.js';
import { type FileRecord, listFolder } from '../transfer/tree.js';
import { upload } from './upload.js';

/** `shards`: tar files of some 256 MiB; `zip`: one zip file with a list of its own; `files`: each file as an object. */
export const PUSH_FORMATS = ['shards', 'zip', 'files'] as const;
export type PushFormat = (typeof PUSH_FORMATS)[number];

export interface PushedFolder {
  /** Its path at the target, with forward slashes. */
  readonly name: string;
  /** Absolute. One that is missing is left out. */
  readonly path: string;
}

/** `manifest.json` at the target: what lies there, by the hash of each archive and of each file. Written last. */
const PUSHED = z.object({
  formatVersion: z.literal(1),
  format: z.enum(PUSH_FORMATS),
  archives: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
  files: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string(), archive: z.string() })),
});
export type PushedManifest = z.output<typeof PUSHED>;

const SHARD_BYTES = 256 * 2 ** 20;

interface LocalFile extends FileRecord {
  readonly name: string;
  readonly path: string;
  readonly crc32: number;
}

/** An object that is to lie at the target, and the files in it. */
interface Unit {
  readonly key: string;
  readonly segments: Segments;
  readonly sha256: string;
  readonly files: readonly LocalFile[];
}

/**
 * Copies folders to S3. Archives are named by the hash of their bytes, so that what is there is not sent again; the manifest, which
 * readers begin with, replaces the one before when all of its archives are there, and what only that one named is removed then.
 *
 * @throws T2IError DATA_INVALID where a file changes meanwhile, REMOTE_CONFLICT where another push was faster, ACCESS_DENIED,
 *   REMOTE_NOT_FOUND, NETWORK_FAILED, IO_FAILED; the signal's reason when aborted
 */
export async function pushToS3(
  store: S3Store,
  folders: readonly PushedFolder[],
  address: S3Address,
  options: { readonly format: PushFormat; readonly shardBytes?: number },
  signal: AbortSignal,
  onProgress: (progress: PushProgress) => void = () => {},
): Promise<PushReport> {
  // First, so that a missing bucket or credential is told before gigabytes are hashed.
  const before = await readManifest(store, address, signal);
  const files = await hashFiles(folders, signal);
  const units = await unitsOf(files, folders, options, signal);
  let [done, copied] = [0, 0];
  for (const unit of units) {
    onProgress({ done, total: files.length });
    const { sha256 } = unit;
    if (await upload(store, below(address, unit.key), unit.segments, { sha256 }, signal)) copied += unit.files.length;
    done += unit.files.length;
  }
  onProgress({ done, total: files.length });
  const manifest: PushedManifest = {
    formatVersion: 1,
    format: options.format,
    archives: Object.fromEntries(units.map(({ key, segments, sha256 }) => [key, { bytes: sizeOf(segments), sha256 }])),
    files: Object.fromEntries(
      units.flatMap(({ key, files: inside }) =>
        inside.map(({ name, bytes, sha256 }) => [name, { bytes, sha256, archive: key }]),
      ),
    ),
  };
  const sha256 = await replaceManifest(store, address, manifest, before, signal);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { target: formatS3Address(address), files: files.length, bytes, manifest_sha256: sha256, copied };
}

interface Previous {
  readonly manifest: PushedManifest | null;
  readonly etag: string | undefined;
}

/** What the last push left; one that cannot be read is replaced, and what it named stays. */
async function readManifest(store: S3Store, address: S3Address, signal: AbortSignal): Promise<Previous> {
  try {
    const { body, etag } = await store.read(below(address, MANIFEST), signal);
    return { manifest: parseManifest(body.toString()), etag };
  } catch (error) {
    if (isMissingObject(error)) return { manifest: null, etag: undefined };
    throw error;
  }
}

/** Null for what is no manifest of this form. */
export function parseManifest(text: string): PushedManifest | null {
  try {
    return PUSHED.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

async function replaceManifest(
  store: S3Store,
  address: S3Address,
  manifest: PushedManifest,
  before: Previous,
  signal: AbortSignal,
): Promise<string> {
  const text = Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`);
  const sha256 = createHash('sha256').update(text).digest('hex');
  const same = JSON.stringify(before.manifest) === JSON.stringify(manifest);
  if (!same) await store.write(below(address, MANIFEST), text, sha256, signal, before.etag ?? null);
  const gone = Object.keys(before.manifest?.archives ?? {}).filter((key) => !Object.hasOwn(manifest.archives, key));
  const { bucket } = address;
  await store.remove(
    bucket,
    gone.map((key) => below(address, key).key),
    signal,
  );
  return sha256;
}

async function hashFiles(folders: readonly PushedFolder[], signal: AbortSignal): Promise<LocalFile[]> {
  const files: LocalFile[] = [];
  for (const folder of folders) {
    for (const path of await listFolder(folder.path)) {
      const absolute = join(folder.path, path);
      files.push({ name: `${folder.name}/${path}`, path: absolute, ...(await hashFile(absolute, signal)) });
    }
  }
  return files;
}

async function hashFile(path: string, signal: AbortSignal): Promise<FileRecord & { readonly crc32: number }> {
  const hash = createHash('sha256');
  let [bytes, crc] = [0, 0];
  try {
    for await (const chunk of createReadStream(path, { signal })) {
      hash.update(chunk);
      crc = crc32(chunk, crc);
      bytes += (chunk as Buffer).length;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cannotRead(path, cause);
  }
  return { bytes, sha256: hash.digest('hex'), crc32: crc };
}

async function unitsOf(
  files: readonly LocalFile[],
  folders: readonly PushedFolder[],
  { format, shardBytes = SHARD_BYTES }: { readonly format: PushFormat; readonly shardBytes?: number },
  signal: AbortSignal,
): Promise<Unit[]> {
  if (format === 'files') {
    return files.map((file) => ({
      key: file.name,
      segments: file.bytes === 0 ? [] : [{ path: file.path, bytes: file.bytes }],
      sha256: file.sha256,
      files: [file],
    }));
  }
  const groups = format === 'zip' ? [[...files]] : shardsOf(files, shardBytes);
  const units: Unit[] = [];
  for (const group of groups.filter(({ length }) => length > 0)) {
    const segments = format === 'zip' ? zipOf(group) : tarSegments(group.map(entryOf));
    const sha256 = await hashSegments(segments, signal);
    const name = basename(folders[0]?.name ?? 'data').replace(/[^A-Za-z0-9_.-]/g, '-');
    const key = format === 'zip' ? `${name}-${sha256.slice(0, 16)}.zip` : `shards/${sha256}.tar`;
    units.push({ key, segments, sha256, files: group });
  }
  return units;
}

function shardsOf(files: readonly LocalFile[], most: number): LocalFile[][] {
  const shards: LocalFile[][] = [[]];
  let bytes = 0;
  for (const file of files) {
    if (bytes > 0 && bytes + file.bytes > most) {
      shards.push([]);
      bytes = 0;
    }
    shards.at(-1)?.push(file);
    bytes += file.bytes;
  }
  return shards;
}

function entryOf({ name, path, bytes, sha256 }: LocalFile) {
  return { name, content: bytes === 0 ? Buffer.alloc(0) : { path, bytes, sha256 } };
}

/** With the list of files that `t2i model unpack` checks (trainer/t2i_trainer/pack.py). */
function zipOf(files: readonly LocalFile[]): Segments {
  const listed = Object.fromEntries(files.map(({ name, bytes, sha256 }) => [name, { sha256, bytes }]));
  const list = Buffer.from(`${JSON.stringify({ formatVersion: 1, files: listed }, null, 1)}\n`);
  return zipSegments([
    ...files.map((file) => ({ ...entryOf(file), crc32: file.crc32 })),
    { name: 't2i-pack.json', content: list, crc32: crc32(list) },
  ]);
}

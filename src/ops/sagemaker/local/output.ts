import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { formatS3Address, type S3Address } from '../../../aws/s3-address.js';
import type { S3Store } from '../../../aws/s3-store.js';
import { readSegments, sizeOf } from '../../archive/segments.js';
import { tarSegments } from '../../archive/tar.js';
import { listFiles } from '../../transfer/tree.js';

/** Packs what the hosts left in their `model/` into one `model.tar.gz` in S3. @returns its address */
export async function uploadModel(store: S3Store, roots: readonly string[], to: S3Address): Promise<string> {
  const { Upload } = await import('@aws-sdk/lib-storage');
  const files = new Map<string, string>();
  for (const root of roots) {
    for (const name of await listFiles(join(root, 'model'))) files.set(name, join(root, 'model', name));
  }
  const entries = await Promise.all(
    [...files].map(async ([name, path]) => {
      const { size } = await stat(path);
      return { name, content: size === 0 ? Buffer.alloc(0) : { path, bytes: size } };
    }),
  );
  const segments = tarSegments(entries);
  const tar = Readable.from(readSegments(segments, 0, sizeOf(segments), new AbortController().signal));
  const Body = tar.pipe(createGzip({ level: 1 }));
  tar.on('error', (error) => Body.destroy(error));
  await new Upload({ client: store.client, params: { Bucket: to.bucket, Key: to.key, Body } }).done();
  return formatS3Address(to);
}

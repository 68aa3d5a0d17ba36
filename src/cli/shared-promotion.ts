import type { Params } from '../ops/params/schema.js';
import type { SharedPlace } from '../ops/promotion/shared/place.js';
import type { Io } from './io.js';
import { openS3 } from './open-s3.js';
import { formatBytes } from './quantities.js';
import { StatusLine } from './status-line.js';

/** Does work with the place that a project promotes into together with others; with none where it promotes for itself. */
export async function withSharedPromotion<T>(
  project: string,
  { remote }: Params['log_trained_model'],
  io: Io,
  work: (shared: SharedPlace | undefined) => Promise<T>,
): Promise<T> {
  if (remote === null) return work(undefined);
  const [{ parseS3Address }, { S3SharedPlace }] = await Promise.all([
    import('../aws/s3-address.js'),
    import('../ops/promotion/shared/s3.js'),
  ]);
  const address = parseS3Address(remote, 'log_trained_model.remote');
  const store = await openS3(project, io);
  const status = new StatusLine(io);
  try {
    return await work(
      new S3SharedPlace(store, address, (doing, { bytes }) => status.show(`${doing} a file of ${formatBytes(bytes)}`)),
    );
  } finally {
    status.clear();
    store.close();
  }
}

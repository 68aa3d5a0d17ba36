import type { S3Store } from '../aws/s3-store.js';
import type { Params } from '../ops/params/schema.js';
import type { TrackedRuns } from '../ops/promotion/candidates.js';
import type { Io } from './io.js';
import { openS3 } from './open-s3.js';
import { trackingServer } from './tracking-server.js';

/** Does work with the runs on a project's tracking server; with null where it has none. AWS's SDK is loaded for a run in S3 alone. */
export async function withTrackedRuns<T>(
  project: string,
  mlflow: Params['mlflow'],
  io: Io,
  work: (tracked: TrackedRuns | null) => Promise<T>,
): Promise<T> {
  const server = await trackingServer(project, mlflow, io);
  if (server === null) return work(null);
  let store: Promise<S3Store> | undefined;
  const s3 = () => {
    store ??= openS3(project, io);
    return store;
  };
  try {
    return await work({ server, experiment: mlflow.experiment_name, s3 });
  } finally {
    (await store?.catch(() => null))?.close();
  }
}

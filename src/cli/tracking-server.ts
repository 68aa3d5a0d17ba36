import { MlflowServer } from '../ops/mlflow/server.js';
import type { Params } from '../ops/params/schema.js';
import { projectEnvironment } from '../ops/project/environment.js';
import type { Io } from './io.js';

/** The tracking server of a project; null where it has none. @throws T2IError OPTION_INVALID for its address */
export async function trackingServer(project: string, mlflow: Params['mlflow'], io: Io): Promise<MlflowServer | null> {
  if (mlflow.server_uri === null) return null;
  const env = await projectEnvironment(project, io.env);
  return new MlflowServer({ address: mlflow.server_uri, env, signal: io.signal });
}

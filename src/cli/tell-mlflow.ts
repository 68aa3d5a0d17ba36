import { T2IError } from '../errors.js';
import type { Params } from '../ops/params/schema.js';
import { projectEnvironment } from '../ops/project/environment.js';
import { markChampion } from '../ops/promotion/champion.js';
import type { Io } from './io.js';
import { note, warn } from './output.js';

/** Marks the version that a run became as the champion. What a tracking server cannot be told is no reason to take a promotion back. */
export async function tellMlflow(project: string, mlflow: Params['mlflow'], run: string, io: Io): Promise<void> {
  const { server_uri: server, experiment_name: experiment, registered_model_name: model } = mlflow;
  if (server === null) return;
  const env = await projectEnvironment(project, io.env);
  try {
    const said = await markChampion({ server, experiment, model, run, env, signal: io.signal });
    if (said !== null) note(io, said);
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    warn(io, `the champion is not marked in MLflow: ${error.message}`);
  }
}

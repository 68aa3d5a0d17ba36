import { join } from 'node:path';
import { T2IError } from '../errors.js';
import type { Params } from '../ops/params/schema.js';
import { markChampion } from '../ops/promotion/champion.js';
import { readState } from '../ops/promotion/state.js';
import type { Io } from './io.js';
import { note, warn } from './output.js';
import { trackingServer } from './tracking-server.js';

/**
 * Marks the version of what is promoted as the champion, where it is not yet: an earlier promotion may not have reached the server. What
 * a tracking server cannot be told is no reason to take a promotion back.
 */
export async function tellMlflow(project: string, { log_trained_model, mlflow }: Params, io: Io): Promise<void> {
  const { experiment_name: experiment, registered_model_name: model } = mlflow;
  try {
    const server = await trackingServer(project, mlflow, io);
    if (server === null) return;
    const { promoted } = await readState({ project, folder: join(project, log_trained_model.diffuser_dir) });
    if (promoted === null) return;
    const { run_name: run, best_val_diffuser_loss: loss } = promoted;
    const said = await markChampion(server, { experiment, model, run, loss });
    if (said !== null) note(io, said);
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    warn(io, `the champion is not marked in MLflow: ${error.message}`);
  }
}

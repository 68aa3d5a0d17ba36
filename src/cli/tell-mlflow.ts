import { T2IError } from '../errors.js';
import type { Params } from '../ops/params/schema.js';
import { type ChampionOptions, markChampion } from '../ops/promotion/champion.js';
import type { Io } from './io.js';
import { note, warn } from './output.js';
import { trackingServer } from './tracking-server.js';

/** A run that was promoted, and its loss. */
type Promoted = Pick<ChampionOptions, 'run' | 'loss'>;

/** Marks the version that a run became as the champion. What a tracking server cannot be told is no reason to take a promotion back. */
export async function tellMlflow(project: string, mlflow: Params['mlflow'], promoted: Promoted, io: Io): Promise<void> {
  const { experiment_name: experiment, registered_model_name: model } = mlflow;
  try {
    const server = await trackingServer(project, mlflow, io);
    if (server === null) return;
    const said = await markChampion(server, { experiment, model, run: promoted.run, loss: promoted.loss });
    if (said !== null) note(io, said);
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    warn(io, `the champion is not marked in MLflow: ${error.message}`);
  }
}

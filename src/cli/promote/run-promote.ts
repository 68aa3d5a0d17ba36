import { T2IError } from '../../errors.js';
import { readEnvFile } from '../../ops/env-file.js';
import { readParams } from '../../ops/params/read.js';
import type { Params } from '../../ops/params/schema.js';
import { markChampion } from '../../ops/promotion/champion.js';
import { promote } from '../../ops/promotion/promote.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson, warn } from '../output.js';
import { projectFolder } from '../project-folder.js';

/** The handler of `t2i promote`. That nothing was better is no failure. */
export async function runPromote({ flags }: CommandInput, io: Io): Promise<number> {
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const { diffuser_dir: target, min_delta: minDelta } = params.log_trained_model;
  const dryRun = flags.dryRun === true;
  const force = flags.force as string | undefined;
  const result = await promote({ project, target, minDelta, force, dryRun, signal: io.signal });
  if (flags.json === true) printJson(io, result);
  else {
    const verb = result.promoted ? 'promoted' : dryRun ? 'would look at' : 'not promoted:';
    io.stdout.write(`${verb} ${result.run}, loss ${result.loss}: ${result.reason}\n`);
  }
  if (result.promoted) await tellMlflow(project, params.mlflow, result.run, io);
  return EXIT.ok;
}

/** What a tracking server cannot be told is no reason to take the promotion back. */
async function tellMlflow(project: string, mlflow: Params['mlflow'], run: string, io: Io): Promise<void> {
  const { server_uri: server, experiment_name: experiment, registered_model_name: model } = mlflow;
  if (server === null) return;
  const env = { ...(await readEnvFile(project)), ...io.env };
  try {
    const said = await markChampion({ server, experiment, model, run, env, signal: io.signal });
    if (said !== null) note(io, said);
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    warn(io, `the champion is not marked in MLflow: ${error.message}`);
  }
}

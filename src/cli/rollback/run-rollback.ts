import { checkFields, integer, refuse } from '../../fields.js';
import { readParams } from '../../ops/params/read.js';
import { fromTracking } from '../../ops/promotion/candidates.js';
import { rollback } from '../../ops/promotion/rollback.js';
import { printable } from '../../printable.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { toNumber } from '../load-flags.js';
import { note, printJson } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { withSharedPromotion } from '../shared-promotion.js';
import { tellMlflow } from '../tell-mlflow.js';
import { withTrackedRuns } from '../tracked-runs.js';

/** The handler of `t2i rollback`. */
export async function runRollback({ args: [given], flags }: CommandInput, io: Io): Promise<number> {
  const version = toNumber(given) as number | undefined;
  refuse(checkFields({ version }, { version: integer(1, 1e9) }));
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const { diffuser_dir: target, keep_versions: keep } = params.log_trained_model;
  const onWait = () => note(io, 'waiting for another process that changes what is promoted');
  const result = await withTrackedRuns(project, params.mlflow, io, (tracked) =>
    withSharedPromotion(project, params.log_trained_model, io, (shared) => {
      const elsewhere = tracked === null ? [] : [fromTracking(tracked)];
      return rollback({ project, target, version, keep, shared, elsewhere, signal: io.signal, onWait });
    }),
  );
  if (flags.json === true) printJson(io, result);
  else {
    const [run, loss] = [printable(result.run), result.loss === null ? '' : `, loss ${result.loss}`];
    const verb = result.rolledBack ? `rolled back from ${result.from} to` : 'promoted already:';
    io.stdout.write(`${verb} version ${result.version}, ${run}${loss}\n`);
  }
  await tellMlflow(project, params, io);
  if (result.rolledBack)
    note(io, 'what is made of the promoted model is still that of before: t2i pipeline run, or dvc repro');
  return EXIT.ok;
}

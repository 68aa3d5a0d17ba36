import { checkFields, refuse, text } from '../../fields.js';
import { readParams } from '../../ops/params/read.js';
import { bestOnServer, type TrackedRuns } from '../../ops/promotion/candidates.js';
import { promote } from '../../ops/promotion/promote.js';
import type { PromotedModel } from '../../ops/promotion/records.js';
import { printable } from '../../printable.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson, warn } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { withSharedPromotion } from '../shared-promotion.js';
import { tellMlflow } from '../tell-mlflow.js';
import { withTrackedRuns } from '../tracked-runs.js';

/** The handler of `t2i promote`. That nothing was better is no failure. */
export async function runPromote({ flags }: CommandInput, io: Io): Promise<number> {
  refuse(checkFields({ force: flags.force }, { force: text('a reason, which is recorded', 1, 1000) }));
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const { diffuser_dir: target, min_delta: minDelta, keep_versions: keep } = params.log_trained_model;
  const dryRun = flags.dryRun === true;
  const force = flags.force as string | undefined;
  const onWait = () => note(io, 'waiting for another process that changes what is promoted');
  const onAdopt = ({ version, run_name: run }: PromotedModel) =>
    note(io, `version ${version}, ${run}, was promoted by another machine, and is promoted here now`);
  const promoteFrom = (tracked: TrackedRuns | null) =>
    withSharedPromotion(project, params.log_trained_model, io, (shared) =>
      promote({
        ...{ project, target, minDelta, force, dryRun, keep, shared, signal: io.signal, onWait, onAdopt },
        ...(tracked !== null && {
          findElsewhere: (isWanted) => bestOnServer(tracked, isWanted, (why) => warn(io, why), io.signal),
        }),
      }),
    );
  const result = await (flags.local === true
    ? promoteFrom(null)
    : withTrackedRuns(project, params.mlflow, io, promoteFrom));
  if (flags.json === true) printJson(io, result);
  else {
    const would = result.better ? 'would promote' : 'would not promote';
    const verb = dryRun ? would : result.promoted ? 'promoted' : 'not promoted:';
    io.stdout.write(`${printable(`${verb} ${result.run}, loss ${result.loss}: ${result.reason}`)}\n`);
  }
  if (!dryRun) await tellMlflow(project, params, io);
  return EXIT.ok;
}

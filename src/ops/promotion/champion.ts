import { getChampion, listVersions, type ModelVersion, setChampion } from '../mlflow/registry.js';
import { findExperiment, searchRuns } from '../mlflow/runs.js';
import type { MlflowServer } from '../mlflow/server.js';
import { quoted } from '../mlflow/values.js';

export interface ChampionOptions {
  readonly experiment: string;
  /** The registered model. */
  readonly model: string;
  /** Name of the run that is promoted. */
  readonly run: string;
  /** Its loss; null where it is no number. */
  readonly loss: number | null;
}

/** Where a training writes the loss of a version that it registers (t2i_trainer/tracking). */
const LOSS_TAG = 'best_val_diffuser_loss';

/**
 * Marks the version of the registered model that a run became as the champion, where it is not yet. Other runs may
 * have the same name, and a run that was trained on has several versions: their losses tell them apart.
 *
 * @returns what was done or why nothing could be, in words; null where it was the champion before
 * @throws T2IError as {@link MlflowServer.get}; the promotion stands all the same
 */
export async function markChampion(
  server: MlflowServer,
  { experiment: experimentName, model, run, loss }: ChampionOptions,
): Promise<string | null> {
  const experiment = await findExperiment(server, experimentName);
  if (experiment === null) return `MLflow has no experiment ${experimentName}: the champion is not marked there`;
  const ids = new Set<string>();
  const filter = `attributes.run_name = ${quoted(run)}`;
  for await (const { id } of searchRuns(server, { experiment, filter })) ids.add(id);
  const isIt = ({ runId, tags: { [LOSS_TAG]: logged } }: ModelVersion) =>
    ids.has(runId) && (logged === undefined || loss === null || Number(logged) === loss);
  const before = await getChampion(server, model);
  if (before !== null && isIt(before)) return null;
  const versions = (await listVersions(server, model)).filter(isIt);
  const newest = versions.sort((a, b) => Number(b.version) - Number(a.version))[0];
  if (newest === undefined)
    return `MLflow has no version of ${model} by the run ${run}: the champion is not marked there`;
  const mark = await setChampion(server, model, newest.version);
  const how = mark === 'alias' ? '' : ', by a tag: this server has no aliases';
  return `version ${newest.version} of ${model} is the champion in MLflow${how}`;
}

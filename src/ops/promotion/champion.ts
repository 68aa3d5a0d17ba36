import { getChampion, listVersions, setChampion } from '../mlflow/registry.js';
import { findExperiment, searchRuns } from '../mlflow/runs.js';
import type { MlflowServer } from '../mlflow/server.js';
import { quoted } from '../mlflow/values.js';

export interface ChampionOptions {
  readonly experiment: string;
  /** The registered model. */
  readonly model: string;
  /** Name of the run that is promoted. */
  readonly run: string;
}

/**
 * Marks the version of the registered model that a run became as the champion, where it is not yet.
 *
 * @returns what was done or why nothing could be, in words; null where it was the champion before
 * @throws T2IError as {@link MlflowServer.get}; the promotion stands all the same
 */
export async function markChampion(
  server: MlflowServer,
  { experiment: experimentName, model, run }: ChampionOptions,
): Promise<string | null> {
  const experiment = await findExperiment(server, experimentName);
  if (experiment === null) return `MLflow has no experiment ${experimentName}: the champion is not marked there`;
  const ids = new Set<string>();
  const filter = `attributes.run_name = ${quoted(run)}`;
  for await (const { id } of searchRuns(server, { experiment, filter })) ids.add(id);
  const before = await getChampion(server, model);
  if (before !== null && ids.has(before.runId)) return null;
  const versions = (await listVersions(server, model)).filter(({ runId }) => ids.has(runId));
  const newest = versions.sort((a, b) => Number(b.version) - Number(a.version))[0];
  if (newest === undefined)
    return `MLflow has no version of ${model} by the run ${run}: the champion is not marked there`;
  const mark = await setChampion(server, model, newest.version);
  const how = mark === 'alias' ? '' : ', by a tag: this server has no aliases';
  return `version ${newest.version} of ${model} is the champion in MLflow${how}`;
}

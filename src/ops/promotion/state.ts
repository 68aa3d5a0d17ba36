import { T2IError } from '../../errors.js';
import { type HistoryEntry, missingEntry, readHistory, versionsOf, writeHistory } from './history.js';
import {
  fetchModel,
  fromRuns,
  fromVersions,
  holds,
  install,
  type Place,
  pruneVersions,
  restore,
  type Source,
} from './place.js';
import { modelKey, type PromotedModel, readPromoted } from './records.js';

/** What is promoted, and all that ever was. */
export interface PromotionState {
  readonly promoted: PromotedModel | null;
  readonly history: readonly HistoryEntry[];
}

/** @throws T2IError DATA_INVALID: a damaged record is never taken for none; IO_FAILED */
export async function readState({ project, folder }: Place): Promise<PromotionState> {
  const [promoted, history] = await Promise.all([readPromoted(folder), readHistory(project)]);
  const missing = promoted === null ? null : missingEntry(history, promoted);
  return { promoted, history: missing === null ? history : [...history, missing] };
}

/**
 * Reads the state, and mends what a kill left: the history learns of what is promoted, and its files are put back where they are not
 * those of its record. Called with the lock.
 *
 * @throws T2IError as {@link readState}; DATA_INVALID where the files are lost
 */
export async function settle(place: Place, signal: AbortSignal): Promise<PromotionState> {
  const state = await readState(place);
  const { promoted, history } = state;
  if (promoted === null) return state;
  if (!(await holds(place, promoted, signal))) {
    await fetchModel(place, promoted, sourcesOf(place), signal).catch((cause: unknown) => {
      throw lost(promoted, cause);
    });
    await restore(place);
  }
  await writeIfNew(place, history);
  return state;
}

async function writeIfNew(place: Place, history: readonly HistoryEntry[]): Promise<void> {
  if ((await readHistory(place.project)).length < history.length) await writeHistory(place.project, history);
}

/** Where the files of a version may still be. */
export function sourcesOf(place: Place): Source[] {
  return [fromVersions(place), fromRuns(place)];
}

/** What is done, after the files of the last model of a history were brought with {@link fetchModel}. */
export interface Change {
  /** As it is from then on. */
  readonly history: readonly HistoryEntry[];
  /** Versions before this one whose files are kept. */
  readonly keep: number;
  /** What is replaced is whole, and can be one of the versions. */
  readonly intact: boolean;
  /** A model whose files are kept besides. */
  readonly spare?: PromotedModel | null;
}

/**
 * Makes the last model of a history the promoted one.
 *
 * @param before what is promoted until then
 * @throws T2IError IO_FAILED
 */
export async function change(
  place: Place,
  before: PromotedModel | null,
  { history, keep, intact, spare = null }: Change,
): Promise<void> {
  const { action, model } = history.at(-1) as HistoryEntry;
  // A rollback is written down first: nobody may promote again what it goes back from, wherever it is stopped.
  if (action === 'rolled-back') await writeHistory(place.project, history);
  await install(place, model, intact ? before : null);
  if (action !== 'rolled-back') await writeHistory(place.project, history);
  const others = (models: readonly (PromotedModel | null)[]) =>
    models.filter((one) => one !== null).filter((one) => modelKey(one) !== modelKey(model));
  const kept = keep === 0 ? [] : [...others(versionsOf(history)).slice(-keep), before];
  await pruneVersions(place, others([...kept, spare]));
}

function lost({ run_name, version }: PromotedModel, cause: unknown): T2IError {
  return new T2IError('DATA_INVALID', `The files of the promoted model (version ${version}, ${run_name}) are damaged`, {
    hint: 'Restore them (dvc checkout), go back to another version (t2i rollback), or move model_metadata.json away to begin anew.',
    cause,
  });
}

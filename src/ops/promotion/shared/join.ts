import { isDeepStrictEqual } from 'node:util';
import { type HistoryEntry, readHistory, versionsOf, writeHistory } from '../history.js';
import { fetchModel, holds, modelFolder, type Place, restore } from '../place.js';
import { modelKey, type PromotedModel, readPromoted } from '../records.js';
import { change, type PromotionState, readState, settle, sourcesOf } from '../state.js';
import { fromShared, sendKept, sendModel } from './models.js';
import { keepOwn } from './own.js';
import type { SharedPlace } from './place.js';
import { readShared, type SharedHistory, writeShared } from './record.js';

/** What all machines see as promoted. */
export interface SharedState extends PromotionState {
  /** Of the record that says so; null where nothing is shared yet. */
  readonly tag: string | null;
}

export interface JoinOptions {
  /** Versions before what is promoted whose files are kept in the project. */
  readonly keep: number;
  readonly signal: AbortSignal;
  /** Told of a version that another machine promoted, and this one now has. */
  readonly onAdopt: (model: PromotedModel) => void;
  /** The model of this project alone that a join before this one found: its files stay. */
  readonly own?: PromotedModel | null;
}

/**
 * What is shared, with nothing mended; what the project has alone where it shares nothing, or nothing is shared yet.
 *
 * @throws T2IError as {@link readState} and {@link readShared}
 */
export async function readSharedState(
  place: Place,
  shared: SharedPlace | undefined,
  signal: AbortSignal,
): Promise<SharedState> {
  const found = shared === undefined ? null : await readShared(shared, signal);
  return found === null ? { ...(await readState(place)), tag: null } : stateOf(found);
}

/**
 * Brings the project to what is shared, and mends what a kill left in it; where nothing is shared yet, what the project has is the
 * first. Called with the lock.
 *
 * @returns what is shared, and a model that was promoted in this project alone, which others do not know
 * @throws T2IError DATA_INVALID where a record is damaged or files are lost; as the place; the signal's reason
 */
export async function join(
  place: Place,
  shared: SharedPlace,
  options: JoinOptions,
): Promise<{ readonly state: SharedState; readonly own: PromotedModel | null }> {
  for (;;) {
    const found = await readShared(shared, options.signal);
    if (found !== null) return { state: stateOf(found), own: await adopt(place, shared, found, options) };
    const local = await settle(place, options.signal);
    if (local.promoted === null) return { state: { ...local, tag: null }, own: null };
    await sendFirst(shared, place, local, options.signal);
    await writeShared(shared, local.history, null, options.signal);
  }
}

/** Sends what a project has, before its history is the first that is shared. @throws T2IError as the place */
export async function sendFirst(
  shared: SharedPlace,
  place: Place,
  { promoted, history }: PromotionState,
  signal: AbortSignal,
): Promise<void> {
  await sendKept(shared, place, versionsOf(history), signal);
  if (promoted !== null && (await holds(place, promoted, signal)))
    await sendModel(shared, modelFolder(place), promoted, signal);
}

/** Returns what was promoted here, where the others do not know it and its files are whole: they are kept. */
async function adopt(
  place: Place,
  shared: SharedPlace,
  { history }: SharedHistory,
  { keep, signal, onAdopt, own: earlier = null }: JoinOptions,
): Promise<PromotedModel | null> {
  const model = lastOf(history);
  const local = await readState(place);
  const sources = [...sourcesOf(place), fromShared(shared)];
  if (isDeepStrictEqual(local.promoted, model)) {
    if (!(await holds(place, model, signal))) {
      await fetchModel(place, model, sources, signal);
      await restore(place);
    }
    // What was lost there others could not fetch.
    await sendModel(shared, modelFolder(place), model, signal);
    await keepOwn(place.project, local.history, history);
    // What a kill kept from being written down, the state knows and the file does not.
    if (!isDeepStrictEqual(await readHistory(place.project), history)) await writeHistory(place.project, history);
    return earlier;
  }
  await fetchModel(place, model, sources, signal);
  const intact = local.promoted !== null && (await holds(place, local.promoted, signal));
  await keepOwn(place.project, local.history, history);
  const own = earlier ?? (await ownModel(place, history, signal));
  await change(place, local.promoted, { history, keep, intact, spare: own });
  onAdopt(model);
  return own;
}

/**
 * What is promoted in a project though the shared history does not know it, where its files are whole; else null.
 *
 * @throws T2IError as {@link readState}; the signal's reason
 */
export async function ownModel(
  place: Place,
  shared: readonly HistoryEntry[],
  signal: AbortSignal,
): Promise<PromotedModel | null> {
  const promoted = await readPromoted(place.folder);
  if (promoted === null || shared.some(({ model }) => modelKey(model) === modelKey(promoted))) return null;
  return (await holds(place, promoted, signal)) ? promoted : null;
}

const lastOf = (history: readonly HistoryEntry[]) => (history.at(-1) as HistoryEntry).model;

function stateOf({ history, tag }: SharedHistory): SharedState {
  return { promoted: lastOf(history), history, tag };
}

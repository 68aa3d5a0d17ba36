import { join as joinPath } from 'node:path';
import { T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { rejectedModels, versionsOf, withEntry } from './history.js';
import { fetchModel, fromPromoted, holds, type Place, type Source, withPlace } from './place.js';
import { modelKey, type PromotedModel } from './records.js';
import { join as joinShared, readSharedState, type SharedState, sendFirst } from './shared/join.js';
import { fromShared, sendModel } from './shared/models.js';
import { keepOwn } from './shared/own.js';
import type { SharedPlace } from './shared/place.js';
import { writeShared } from './shared/record.js';
import { change, type PromotionState, readState, sourcesOf } from './state.js';

export interface RollbackOptions {
  /** Absolute path of the project. */
  readonly project: string;
  /** Folder of the promoted model, below the project. */
  readonly target: string;
  /** To go to; the newest one before that which is promoted where it is left out. */
  readonly version?: number | undefined;
  /** Earlier versions whose files are kept. */
  readonly keep: number;
  readonly signal: AbortSignal;
  /** Where the files of a version may be besides the project. */
  readonly elsewhere?: readonly Source[];
  /** Where several machines promote into. */
  readonly shared?: SharedPlace | undefined;
  /** Called where another process changes what is promoted, which is waited for. */
  readonly onWait?: () => void;
}

export interface Rollback {
  /** False where that version is promoted already. */
  readonly rolledBack: boolean;
  /** The version that is promoted now. */
  readonly version: number;
  readonly run: string;
  readonly loss: number | null;
  /** The version that was promoted before. */
  readonly from: number;
}

/**
 * Makes a version that was promoted before the promoted one again, with the very record that it had. What it replaces is not promoted
 * again by itself. Where the promotion is shared, all machines go back.
 *
 * @throws T2IError OPTION_INVALID for a version that never was, DATA_INVALID where there is none to go back to, a record is damaged or
 *   the files are lost; REMOTE_CONFLICT where another machine promoted meanwhile, and no version was named; IO_FAILED; as the shared
 *   place; the signal's reason when aborted
 */
export async function rollback(options: RollbackOptions): Promise<Rollback> {
  const { project, signal, onWait = () => {} } = options;
  const place = { project, folder: joinPath(project, options.target) };
  return withPlace(place, { signal, onWait }, async () => {
    let seen: number | undefined;
    for (;;) {
      // Not mended first: where the files of what is promoted are lost, this is the way out.
      const state = await readSharedState(place, options.shared, signal);
      const from = state.promoted?.version;
      if (seen !== undefined && from !== seen && options.version === undefined) throw overtaken(state);
      seen = from;
      const model = choose(state, options.version);
      const there = { version: model.version, run: model.run_name, loss: model.best_val_diffuser_loss };
      if (model.version === from) {
        await catchUp(place, options);
        return { rolledBack: false, ...there, from };
      }
      if (await goBack(place, state, model, options))
        return { rolledBack: true, ...there, from: from ?? model.version };
    }
  });
}

async function catchUp(place: Place, { shared, keep, signal }: RollbackOptions): Promise<void> {
  if (shared !== undefined) await joinShared(place, shared, { keep, signal, onAdopt: () => {} });
}

/** False where another machine was faster. */
async function goBack(
  place: Place,
  state: SharedState,
  model: PromotedModel,
  { keep, signal, shared, elsewhere = [] }: RollbackOptions,
): Promise<boolean> {
  const there = shared === undefined ? [] : [fromShared(shared)];
  // The same model may have been promoted twice: it is no version beside what is promoted then.
  const same = state.promoted !== null && modelKey(state.promoted) === modelKey(model);
  const own = same ? [fromPromoted(place)] : [];
  const files = await fetchModel(place, model, [...own, ...sourcesOf(place), ...there, ...elsewhere], signal);
  const history = withEntry(state, 'rolled-back', model);
  if (shared !== undefined) {
    if (state.tag === null) await sendFirst(shared, place, state, signal);
    await sendModel(shared, files, model, signal);
    if (!(await writeShared(shared, history, state.tag, signal))) return false;
  }
  // Another machine may have promoted since this one did.
  const local = await readState(place);
  await keepOwn(place.project, local.history, history);
  const intact = local.promoted !== null && (await holds(place, local.promoted, signal));
  await change(place, local.promoted, { history, keep, intact });
  return true;
}

function overtaken({ promoted }: PromotionState): T2IError {
  const now = promoted === null ? 'nothing' : `version ${promoted.version}, ${promoted.run_name},`;
  return new T2IError('REMOTE_CONFLICT', `Another machine changed what is promoted meanwhile: ${now} is promoted now`, {
    hint: 'Look at it (t2i history), then run this again, or name the version to go to.',
  });
}

function choose({ promoted, history }: PromotionState, version: number | undefined): PromotedModel {
  const versions = versionsOf(history);
  if (version === undefined) {
    const rejected = rejectedModels(history);
    const below = promoted?.version ?? Number.POSITIVE_INFINITY;
    const found = versions.filter((model) => model.version < below && !rejected.has(modelKey(model))).at(-1);
    if (found !== undefined) return found;
    throw new T2IError('DATA_INVALID', 'There is no earlier version to go back to', {
      hint: 'What was promoted so far: t2i history',
    });
  }
  const found = versions.find((model) => model.version === version);
  const numbers = versions.map((model) => model.version).join(', ');
  if (found === undefined)
    refuse([
      { option: 'version', expected: numbers === '' ? 'none yet' : `one of ${numbers}`, received: `${version}` },
    ]);
  return found as PromotedModel;
}

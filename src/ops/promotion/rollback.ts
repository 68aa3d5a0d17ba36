import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { refuse } from '../../fields.js';
import { rejectedModels, versionsOf } from './history.js';
import { fetchModel, holds, type Source, withPlace } from './place.js';
import { modelKey, type PromotedModel } from './records.js';
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
 * again by itself.
 *
 * @throws T2IError OPTION_INVALID for a version that never was, DATA_INVALID where there is none to go back to, a record is damaged or
 *   the files are lost; IO_FAILED; the signal's reason when aborted
 */
export async function rollback(options: RollbackOptions): Promise<Rollback> {
  const { project, keep, signal, elsewhere = [], onWait = () => {} } = options;
  const place = { project, folder: join(project, options.target) };
  return withPlace(place, { signal, onWait }, async () => {
    // Not mended first: where the files of what is promoted are lost, this is the way out.
    const state = await readState(place);
    const model = choose(state, options.version);
    const from = state.promoted?.version ?? model.version;
    const rolledBack = model.version !== state.promoted?.version;
    if (rolledBack) {
      await fetchModel(place, model, [...sourcesOf(place), ...elsewhere], signal);
      const intact = state.promoted !== null && (await holds(place, state.promoted, signal));
      await change(place, state, { action: 'rolled-back', model, keep, intact });
    }
    return { rolledBack, version: model.version, run: model.run_name, loss: model.best_val_diffuser_loss, from };
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

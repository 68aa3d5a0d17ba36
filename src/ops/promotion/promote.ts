import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import type { Candidate } from './candidates.js';
import { nextVersion, rejectedModels } from './history.js';
import { fetchModel, fromRuns, type Place, type Source, withPlace } from './place.js';
import { modelKey, type PromotedModel, type RunRecord, readRuns } from './records.js';
import { bestRun, judgeRun } from './rule.js';
import { change, type PromotionState, readState, settle } from './state.js';

export interface PromoteOptions {
  /** Absolute path of the project. */
  readonly project: string;
  /** Folder of the promoted model, below the project. */
  readonly target: string;
  /** By which a loss must be lower. */
  readonly minDelta: number;
  /** Overrules the comparison, never the check of the files. */
  readonly force?: string | undefined;
  readonly dryRun: boolean;
  /** Earlier versions whose files are kept, to go back to. */
  readonly keep: number;
  readonly signal: AbortSignal;
  /** Looks for a run elsewhere than in the project, such as on a tracking server; null where there is none. */
  readonly findElsewhere?: (isWanted: (run: RunRecord) => boolean) => Promise<Candidate | null>;
  /** Called where another process changes what is promoted, which is waited for. */
  readonly onWait?: () => void;
}

export interface Promotion {
  readonly promoted: boolean;
  /** The best run that was found. */
  readonly run: string;
  readonly loss: number;
  /** Why it was or was not promoted, in words. */
  readonly reason: string;
  /** The version that is promoted now; null where none is. */
  readonly version: number | null;
}

/**
 * Promotes the best finished run where it is better than the model that is promoted; else nothing changes, not even a file's time.
 * A run that somebody went back from is left out, unless it is forced.
 *
 * @throws T2IError DATA_INVALID where there is no run with a loss, a file is not the one of its record, a record is damaged, or the
 *   losses cannot be compared; IO_FAILED; the signal's reason when aborted
 */
export async function promote(options: PromoteOptions): Promise<Promotion> {
  const { project, signal, onWait = () => {} } = options;
  const place = { project, folder: join(project, options.target) };
  if (options.dryRun) {
    const state = await readState(place);
    return told(await decide(place, state, options), state, false);
  }
  return withPlace(place, { signal, onWait }, async () => {
    const state = await settle(place, signal);
    const decision = await decide(place, state, options);
    if (!decision.better) return told(decision, state, false);
    const promoted = await replace(place, decision, state, options);
    return told(decision, { ...state, promoted }, true);
  });
}

interface Decision {
  readonly run: RunRecord;
  readonly sources: readonly Source[];
  readonly better: boolean;
  readonly reason: string;
}

async function decide(place: Place, { promoted, history }: PromotionState, options: PromoteOptions): Promise<Decision> {
  const { project, force, minDelta, findElsewhere } = options;
  const rejected = force === undefined ? rejectedModels(history) : new Set<string>();
  const isWanted = (run: RunRecord) => !rejected.has(modelKey(run));
  const runs = await readRuns(project);
  const there = await findElsewhere?.(isWanted);
  const all = [...runs, ...(there ? [there.run] : [])];
  const allowed = all.filter(isWanted);
  const run = bestRun(allowed) ?? bestRun(all);
  if (run === null) {
    const where = `${join(project, 'runs')}${findElsewhere === undefined ? '' : ', nor on the tracking server'}`;
    throw new T2IError('DATA_INVALID', `There is no finished run with a loss in ${where}`, {
      hint: 'Train first: t2i train',
    });
  }
  const sources = [fromRuns(place), ...(run === there?.run && there.source ? [there.source] : [])];
  const decided = (better: boolean, reason: string): Decision => ({ run, sources, better, reason });
  if (!allowed.includes(run)) return decided(false, 'it was promoted before, and rolled back');
  const verdict = judgeRun(run, promoted, minDelta);
  if (force !== undefined) return decided(true, force);
  if (verdict.kind === 'incomparable') throw incomparable(run, promoted, verdict.differences);
  if (verdict.kind === 'not-better') return decided(false, verdict.reason);
  return decided(true, promoted === null ? 'it is the first' : `better than ${promoted.best_val_diffuser_loss}`);
}

function told({ run, reason }: Decision, { promoted }: PromotionState, done: boolean): Promotion {
  const loss = run.best_val_diffuser_loss as number;
  return { promoted: done, run: run.run_name, loss, reason, version: promoted?.version ?? null };
}

async function replace(
  place: Place,
  { run, sources }: Decision,
  state: PromotionState,
  { force, keep, signal }: PromoteOptions,
): Promise<PromotedModel> {
  await fetchModel(place, run, sources, signal);
  const model: PromotedModel = {
    ...run,
    version: nextVersion(state.history),
    promoted_at: new Date().toISOString(),
    forced: force ?? null,
    replaces: state.promoted?.run_name ?? null,
  };
  await change(place, state, { action: 'promoted', model, keep, intact: true });
  return model;
}

function incomparable(run: RunRecord, promoted: PromotedModel | null, differences: readonly string[]): T2IError {
  const issues = differences.map(
    (difference): { option: string; expected: string; received: string; problem: string } => ({
      option: `run ${run.run_name}`,
      expected: 'what the promoted model was measured on',
      received: 'something else',
      problem: difference,
    }),
  );
  const message = `The losses of ${run.run_name} and ${promoted?.run_name} cannot be compared: ${differences.join('; ')}`;
  return new T2IError('DATA_INVALID', message, {
    issues,
    hint: 'Train again on the same validation set, or promote it all the same: t2i promote --force REASON',
  });
}

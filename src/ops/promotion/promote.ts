import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import type { Candidate } from './candidates.js';
import { nextVersion, rejectedModels, withEntry } from './history.js';
import { fetchModel, fromRuns, fromVersions, type Place, type Source, withPlace } from './place.js';
import { modelKey, type PromotedModel, type RunRecord, readRuns } from './records.js';
import { bestRun, judgeRun } from './rule.js';
import { join as joinShared, ownModel, readSharedState, type SharedState } from './shared/join.js';
import { sendModel } from './shared/models.js';
import { rejectedHere } from './shared/own.js';
import type { SharedPlace } from './shared/place.js';
import { writeShared } from './shared/record.js';
import { change, type PromotionState, settle } from './state.js';

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
  /** Where several machines promote into. */
  readonly shared?: SharedPlace | undefined;
  /** Called where another process changes what is promoted, which is waited for. */
  readonly onWait?: () => void;
  /** Told of a version that another machine promoted, and this one now has. */
  readonly onAdopt?: (model: PromotedModel) => void;
}

export interface Promotion {
  readonly promoted: boolean;
  /** Whether it is better than what was promoted before, or forced: where it is, only a dry run leaves it. */
  readonly better: boolean;
  /** The best run that was found; what is promoted where a project that shares has none. */
  readonly run: string;
  readonly loss: number | null;
  /** Why it was or was not promoted, in words. */
  readonly reason: string;
  /** The version that is promoted now; null where none is. */
  readonly version: number | null;
}

/**
 * Promotes the best finished run where it is better than the model that is promoted; else nothing changes, not even a file's time.
 * A run that somebody went back from is left out, unless it is forced. Where the promotion is shared, the project first has what is
 * promoted there; where another machine is faster, it is decided anew.
 *
 * @throws T2IError DATA_INVALID where there is no run with a loss, a file is not the one of its record, a record is damaged, or the
 *   losses cannot be compared; IO_FAILED; as the shared place; the signal's reason when aborted
 */
export async function promote(options: PromoteOptions): Promise<Promotion> {
  const { project, signal, onWait = () => {} } = options;
  const place = { project, folder: join(project, options.target) };
  if (options.dryRun) {
    const state = await readSharedState(place, options.shared, signal);
    const own = await ownModel(place, state.history, signal);
    return told(await decide(place, state, own, options), state, false);
  }
  return withPlace(place, { signal, onWait }, async () => {
    let own: PromotedModel | null = null;
    for (;;) {
      const begun = await begin(place, own, options);
      const { state } = begun;
      own = begun.own;
      const decision = await decide(place, state, own, options);
      if (!decision.better) return told(decision, state, false);
      const promoted = await replace(place, decision, state, options);
      if (promoted !== null) return told(decision, { ...state, promoted }, true);
    }
  });
}

/** What is promoted, after what a kill left is mended; and what was promoted in this project alone. */
async function begin(
  place: Place,
  own: PromotedModel | null,
  options: PromoteOptions,
): Promise<{ state: SharedState; own: PromotedModel | null }> {
  const { shared, keep, signal, onAdopt = () => {} } = options;
  if (shared !== undefined) return joinShared(place, shared, { keep, signal, onAdopt, own });
  return { state: { ...(await settle(place, signal)), tag: null }, own: null };
}

interface Decision {
  readonly run: RunRecord;
  readonly sources: readonly Source[];
  readonly better: boolean;
  readonly reason: string;
}

async function decide(
  place: Place,
  { promoted, history }: PromotionState,
  own: PromotedModel | null,
  options: PromoteOptions,
): Promise<Decision> {
  const { project, force, minDelta, findElsewhere, shared } = options;
  const rejected = force === undefined ? [...rejectedModels(history), ...(await rejectedHere(project, history))] : [];
  const isWanted = (run: RunRecord) => !rejected.includes(modelKey(run));
  const runs = await readRuns(project);
  const there = await findElsewhere?.(isWanted);
  const all = [...runs, ...(there ? [there.run] : []), ...(own ? [own] : [])];
  const allowed = all.filter(isWanted);
  const run = bestRun(allowed) ?? bestRun(all);
  if (run === null && shared !== undefined && promoted !== null)
    return { run: promoted, sources: [], better: false, reason: 'it is what is promoted, and no run is here' };
  if (run === null) {
    const where = `${join(project, 'runs')}${findElsewhere === undefined ? '' : ', nor on the tracking server'}`;
    throw new T2IError('DATA_INVALID', `There is no finished run with a loss in ${where}`, {
      hint: 'Train first: t2i train',
    });
  }
  // Also where it is found here: weights of runs take space, and are removed before their records.
  const elsewhere = there && modelKey(there.run) === modelKey(run) ? [there.source] : [];
  const sources = [fromRuns(place), fromVersions(place), ...elsewhere];
  const decided = (better: boolean, reason: string): Decision => ({ run, sources, better, reason });
  if (!allowed.includes(run)) return decided(false, 'it was promoted before, and rolled back');
  const verdict = judgeRun(run, promoted, minDelta);
  if (force !== undefined) return decided(true, force);
  if (verdict.kind === 'incomparable') throw incomparable(run, promoted, verdict.differences);
  if (verdict.kind === 'not-better') return decided(false, verdict.reason);
  return decided(true, promoted === null ? 'it is the first' : `better than ${promoted.best_val_diffuser_loss}`);
}

function told({ run, better, reason }: Decision, { promoted }: PromotionState, done: boolean): Promotion {
  return {
    ...{ promoted: done, better },
    run: run.run_name,
    loss: run.best_val_diffuser_loss,
    reason,
    version: promoted?.version ?? null,
  };
}

/** Null where another machine was faster. */
async function replace(
  place: Place,
  { run, sources }: Decision,
  state: SharedState,
  { force, keep, signal, shared }: PromoteOptions,
): Promise<PromotedModel | null> {
  const files = await fetchModel(place, run, sources, signal);
  const model: PromotedModel = {
    ...run,
    version: nextVersion(state.history),
    promoted_at: new Date().toISOString(),
    forced: force ?? null,
    replaces: state.promoted?.run_name ?? null,
  };
  const history = withEntry(state, 'promoted', model);
  if (shared !== undefined) {
    await sendModel(shared, files, model, signal);
    if (!(await writeShared(shared, history, state.tag, signal))) return null;
  }
  await change(place, state.promoted, { history, keep, intact: true });
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

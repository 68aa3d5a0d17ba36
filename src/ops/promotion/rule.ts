import { isDeepStrictEqual } from 'node:util';
import type { RunRecord } from './records.js';

/** What becomes of a run: it is promoted, it is not good enough, or nothing can be said. */
export type Verdict =
  | { readonly kind: 'better' }
  | { readonly kind: 'not-better'; readonly reason: string }
  | { readonly kind: 'incomparable'; readonly differences: readonly string[] };

/**
 * Whether a run is better than what is promoted: its loss is a number, and lower by more than `minDelta`, measured on the same
 * validation set with the same schedule, prediction type and resolution.
 */
export function judgeRun(run: RunRecord, promoted: RunRecord | null, minDelta: number): Verdict {
  const { best_val_diffuser_loss: loss } = run;
  // NaN is not lower than anything, nor is anything lower than it: it must not come as far as a comparison.
  if (!isNumber(loss)) return { kind: 'not-better', reason: 'its loss is not a number' };
  if (promoted === null) return { kind: 'better' };
  const differences = differencesOf(run, promoted);
  if (differences.length > 0) return { kind: 'incomparable', differences };
  const old = promoted.best_val_diffuser_loss;
  if (!isNumber(old) || loss < old - minDelta) return { kind: 'better' };
  const by = minDelta > 0 ? ` by more than ${minDelta}` : '';
  return { kind: 'not-better', reason: `its loss ${loss} is not lower than ${old}${by}` };
}

/** The run with the lowest loss, the first of several; null where none has a number. */
export function bestRun(runs: readonly RunRecord[]): RunRecord | null {
  const measured = runs.filter(({ best_val_diffuser_loss: loss }) => isNumber(loss));
  const lossOf = (run: RunRecord) => run.best_val_diffuser_loss as number;
  return measured.reduce<RunRecord | null>(
    (best, run) => (best === null || lossOf(run) < lossOf(best) ? run : best),
    null,
  );
}

const isNumber = (loss: number | null): loss is number => Number.isFinite(loss);

function differencesOf({ validation: one }: RunRecord, { validation: other }: RunRecord): string[] {
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return keys
    .filter((key) => !isDeepStrictEqual(one[key], other[key]))
    .map((key) => `${key}: ${JSON.stringify(one[key]) ?? 'none'}, not ${JSON.stringify(other[key]) ?? 'none'}`);
}

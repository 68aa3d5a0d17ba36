import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { makeFolder, writeJsonFile } from '../../files.js';
import { temporaryPath } from '../../temporary-files.js';
import { copyFile } from '../transfer/tree.js';
import { METADATA_FILE, type PromotedModel, type RunRecord, readPromoted, readRuns } from './records.js';
import { bestRun, judgeRun } from './rule.js';

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
  readonly signal: AbortSignal;
}

export interface Promotion {
  readonly promoted: boolean;
  /** The best run that was found. */
  readonly run: string;
  readonly loss: number;
  /** Why it was or was not promoted, in words. */
  readonly reason: string;
}

/**
 * Promotes the best finished run where it is better than the model that is promoted; else nothing changes, not even a file's time.
 *
 * @throws T2IError DATA_INVALID where there is no run with a loss, a file is not the one of its record, a record is damaged, or the
 *   losses cannot be compared; IO_FAILED; the signal's reason when aborted
 */
export async function promote(options: PromoteOptions): Promise<Promotion> {
  const { project, force, minDelta } = options;
  const folder = join(project, options.target);
  const [runs, promoted] = await Promise.all([readRuns(project), readPromoted(folder)]);
  const run = bestRun(runs);
  if (run === null) {
    throw new T2IError('DATA_INVALID', `There is no finished run with a loss in ${join(project, 'runs')}`, {
      hint: 'Train first: t2i train',
    });
  }
  const told = { run: run.run_name, loss: run.best_val_diffuser_loss as number };
  const verdict = judgeRun(run, promoted, minDelta);
  if (verdict.kind === 'incomparable' && force === undefined) throw incomparable(run, promoted, verdict.differences);
  if (verdict.kind === 'not-better' && force === undefined) return { ...told, promoted: false, reason: verdict.reason };
  if (!options.dryRun) await replace(folder, run, promoted, options);
  const reason = force ?? (promoted === null ? 'it is the first' : `better than ${promoted.best_val_diffuser_loss}`);
  return { ...told, promoted: !options.dryRun, reason };
}

/** The files first, whole and checked, the record last: a kill in between leaves a record that is not that of the files, never half a model. */
async function replace(
  folder: string,
  run: RunRecord,
  promoted: PromotedModel | null,
  { project, force, signal }: PromoteOptions,
): Promise<void> {
  const target = join(folder, 'diffuser');
  const [fresh, old] = [temporaryPath(target), temporaryPath(`${target}.old`)];
  await makeFolder(folder);
  try {
    for (const [path, record] of Object.entries(run.files)) {
      await copyFile(join(project, 'runs', run.run_name, 'best', path), join(fresh, path), signal, record);
    }
    await rename(target, old).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause;
    });
    await rename(fresh, target).catch(async (cause: unknown) => {
      await rename(old, target).catch(() => {});
      throw cause;
    });
    const metadata: PromotedModel = { ...run, forced: force ?? null, replaces: promoted?.run_name ?? null };
    await writeJsonFile(join(folder, METADATA_FILE), metadata);
  } finally {
    await Promise.all([fresh, old].map((path) => rm(path, { recursive: true, force: true })));
  }
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

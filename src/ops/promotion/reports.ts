import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { cannotRead, makeFolder, writeFileAtomic } from '../../files.js';
import { PROMOTIONS, replacedBy } from './history.js';
import type { Place } from './place.js';
import { METADATA, METADATA_FILE, modelKey, parseRecord, type RunRecord, readOrNull } from './records.js';
import { readState } from './state.js';

/** What the evaluation of a project writes (trainer/t2i_trainer/evaluation), as far as it is read here. */
const REPORT = z.object({
  run: z.record(z.string(), z.unknown()),
  /** Reports from before there was a gate have none. */
  gate: z
    .object({
      verdict: z.enum(['passed', 'failed', 'accepted', 'not compared']),
      compared: z.record(z.string(), z.object({ before: z.number(), now: z.number().nullable(), limit: z.number() })),
      fell: z.array(z.string()),
    })
    .optional(),
});
type Report = z.output<typeof REPORT>;

const HINT = 'Remove it, then evaluate again: t2i evaluate';

const latest = ({ project }: Place) => join(project, 'reports', 'evaluation.json');
const keptOf = ({ project }: Place, model: Pick<RunRecord, 'files'>) =>
  join(project, PROMOTIONS, 'evaluations', `${modelKey(model)}.json`);

/** Paths of the reports that an evaluation of the promoted model is judged by; null for one that there is not. */
export interface EarlierReports {
  /** Of the version that was promoted before it; of one before that, where it was not evaluated or its own report failed. */
  readonly before: string | null;
  /** Of the promoted model itself. */
  readonly kept: string | null;
}

/** @throws T2IError DATA_INVALID for a record or report that is damaged, IO_FAILED */
export async function earlierReports(place: Place): Promise<EarlierReports> {
  const { promoted, history } = await readState(place);
  if (promoted === null) return { before: null, kept: null };
  const own = keptOf(place, promoted);
  const kept = (await readReport(own)) === null ? null : own;
  for (const model of replacedBy(history, promoted.version)) {
    const path = keptOf(place, model);
    const report = path === own ? null : await readReport(path);
    if (report !== null && report.gate?.verdict !== 'failed') return { before: path, kept };
  }
  return { before: null, kept };
}

/** Keeps the last report with the version that it is of, byte for byte. @throws T2IError DATA_INVALID, IO_FAILED */
export async function keepReport(place: Place): Promise<void> {
  const path = latest(place);
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw cannotRead(path, cause);
  });
  const { run } = parseRecord(bytes.toString(), path, REPORT.extend({ run: METADATA }), HINT);
  await makeFolder(join(place.project, PROMOTIONS, 'evaluations'));
  await writeFileAtomic(keptOf(place, run), bytes);
}

/**
 * Refuses a promoted model whose evaluation failed: by the last report where it is of that model, else by the one that was kept of it.
 *
 * @throws T2IError EVALUATION_WORSE; DATA_INVALID for a report that is damaged, IO_FAILED
 */
export async function refuseWorse(place: Place): Promise<void> {
  const path = join(place.folder, METADATA_FILE);
  const text = await readOrNull(path);
  if (text === null) return;
  const metadata = parseRecord(text, path, z.unknown());
  const last = await readReport(latest(place));
  const { data: model } = METADATA.safeParse(metadata);
  const report =
    last !== null && isDeepStrictEqual(last.run, metadata)
      ? last
      : model === undefined
        ? null
        : await readReport(keptOf(place, model));
  if (report?.gate?.verdict !== 'failed') return;
  const { compared, fell } = report.gate;
  const falls = fell.map((name) => `${name} from ${compared[name]?.before} to ${compared[name]?.now ?? 'no number'}`);
  throw new T2IError(
    'EVALUATION_WORSE',
    `The promoted model, ${report.run.run_name}, measures worse than the version before it: ${falls.join(', ')}`,
    { hint: 'Go back (t2i rollback), or accept it: t2i evaluate --accept REASON' },
  );
}

async function readReport(path: string): Promise<Report | null> {
  const text = await readOrNull(path);
  return text === null ? null : parseRecord(text, path, REPORT, HINT);
}

import { join } from 'node:path';
import type { S3Store } from '../../aws/s3-store.js';
import { T2IError } from '../../errors.js';
import { Artifacts } from '../mlflow/artifacts.js';
import { findExperiment, type MlflowRun, searchRuns } from '../mlflow/runs.js';
import type { MlflowServer } from '../mlflow/server.js';
import type { Source } from './place.js';
import { modelKey, parseRecord, RUN, type RunRecord } from './records.js';

/** A finished run that may be promoted, and where its files are besides the folder of runs. */
export interface Candidate {
  readonly run: RunRecord;
  readonly source: Source;
}

/** The runs of an experiment on a tracking server. */
export interface TrackedRuns {
  readonly server: MlflowServer;
  readonly experiment: string;
  /** Opens S3, where some servers keep the files of runs; of a run that has them there alone. */
  readonly s3: () => Promise<S3Store>;
}

const METRIC = 'best_val_diffuser_loss';
/** Where a training leaves its model among the artifacts of its run (t2i_trainer/tracking). */
const RECORD = 'model/run.json';
const FILES = 'model/best';
const LONGEST_RECORD = 2 ** 20;

/**
 * The best finished run on a tracking server, by the loss that it logged; one that left no record, or another loss in it,
 * is passed over.
 *
 * @param isWanted false for runs that are passed over in silence
 * @param onSkip told why another one is passed over
 * @returns null where there is none
 * @throws T2IError as {@link Artifacts}
 */
export async function bestOnServer(
  tracked: TrackedRuns,
  isWanted: (run: RunRecord) => boolean,
  onSkip: (why: string) => void,
  signal: AbortSignal,
): Promise<Candidate | null> {
  const { server } = tracked;
  const experiment = await findExperiment(server, tracked.experiment);
  if (experiment === null) return null;
  const found: MlflowRun[] = [];
  for await (const run of searchRuns(server, { experiment, filter: "attributes.status = 'FINISHED'" })) found.push(run);
  // Not sorted by the server: some have what is no number in front.
  const measured = found.filter(({ metrics }) => Number.isFinite(metrics[METRIC]));
  measured.sort((one, other) => lossOf(one) - lossOf(other));
  for (const run of measured) {
    const artifacts = await Artifacts.of(server, run, tracked.s3);
    const record = await readRunRecord(artifacts, run, signal);
    if (typeof record === 'string') onSkip(`the run ${run.name} on the MLflow server is left out: ${record}`);
    else if (isWanted(record)) return { run: record, source: fromServer(artifacts) };
  }
  return null;
}

/** Fetches the files of a version that was promoted from the server. */
export function fromTracking(tracked: TrackedRuns): Source {
  return async (model, to, signal) => {
    const isIt = (run: RunRecord) => modelKey(run) === modelKey(model);
    const found = await bestOnServer(tracked, isIt, () => {}, signal);
    if (found === null) {
      throw new T2IError('REMOTE_NOT_FOUND', `The run ${model.run_name} is not on the MLflow server`, {
        hint: 'Name another version: t2i history',
      });
    }
    await found.source(model, to, signal);
  };
}

function lossOf({ metrics }: MlflowRun): number {
  return metrics[METRIC] as number;
}

/** What a run says of its model, or why nothing can be known. */
async function readRunRecord(artifacts: Artifacts, run: MlflowRun, signal: AbortSignal): Promise<RunRecord | string> {
  const files = await artifacts.list('model', signal);
  if (!files.some(({ path }) => path === RECORD)) return `it has no ${RECORD}`;
  const text = await artifacts.read(RECORD, LONGEST_RECORD, signal);
  try {
    const record = parseRecord(text, `${RECORD} of the run ${run.name}`, RUN);
    const loss = record[METRIC];
    // Servers keep numbers in databases that round some.
    return loss !== null && Math.abs(loss - lossOf(run)) <= 1e-6 * Math.abs(loss)
      ? record
      : `its record says ${loss} where it logged ${lossOf(run)}`;
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    return error.message;
  }
}

function fromServer(artifacts: Artifacts): Source {
  return async ({ files }, to, signal) => {
    for (const [path, record] of Object.entries(files))
      await artifacts.download(`${FILES}/${path}`, join(to, path), record, signal);
  };
}

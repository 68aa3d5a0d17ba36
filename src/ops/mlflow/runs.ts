import { z } from 'zod';
import { T2IError } from '../../errors.js';
import type { MlflowServer } from './server.js';
import { byKey, type Metric, metric, whole } from './values.js';

const run = z
  .object({
    info: z.object({
      run_id: z.string().min(1),
      run_name: z.string().default(''),
      status: z.string().default('RUNNING'),
      end_time: whole.optional(),
      artifact_uri: z.string().default(''),
    }),
    data: z.object({ metrics: z.array(metric).default([]), params: byKey, tags: byKey }).prefault({}),
  })
  .transform(({ info, data }) => ({
    id: info.run_id,
    name: info.run_name,
    status: info.status,
    /** Milliseconds since 1970; null while it runs. */
    ended: info.end_time ?? null,
    artifacts: info.artifact_uri,
    /** The latest value of each; one that was never logged is not among them. */
    metrics: Object.fromEntries(data.metrics.map(({ key, value }) => [key, value])) as Readonly<Record<string, number>>,
    params: data.params,
    tags: data.tags,
  }));
export type MlflowRun = z.output<typeof run>;

/** More pages than any experiment has: a server that never ends is no server. */
const MOST_PAGES = 1000;

/** The id of an experiment; null where there is none of that name. @throws T2IError as {@link MlflowServer.get} */
export async function findExperiment(server: MlflowServer, name: string): Promise<string | null> {
  const schema = z.object({ experiment: z.object({ experiment_id: z.string().min(1) }) });
  try {
    const found = await server.get('mlflow/experiments/get-by-name', { experiment_name: name }, schema);
    return found.experiment.experiment_id;
  } catch (error) {
    if (T2IError.is(error) && error.code === 'REMOTE_NOT_FOUND') return null;
    throw error;
  }
}

export interface RunSearch {
  readonly experiment: string;
  /** In MLflow's words, such as `attributes.status = 'FINISHED'`. */
  readonly filter?: string | undefined;
}

/** The runs of an experiment, page by page. @throws T2IError as {@link MlflowServer.send} */
export async function* searchRuns(server: MlflowServer, search: RunSearch): AsyncGenerator<MlflowRun> {
  const schema = z.object({ runs: z.array(run).default([]), next_page_token: z.string().optional() });
  const fields = { experiment_ids: [search.experiment], filter: search.filter, max_results: 200 };
  yield* pages(async (page_token) => {
    const answer = await server.send('POST', 'mlflow/runs/search', { ...fields, page_token }, schema, true);
    return { items: answer.runs, next: answer.next_page_token };
  });
}

/** @throws T2IError as {@link MlflowServer.get} */
export async function getRun(server: MlflowServer, id: string): Promise<MlflowRun> {
  return (await server.get('mlflow/runs/get', { run_id: id }, z.object({ run }))).run;
}

/** Every value of a metric that was logged, in the order of the server. @throws T2IError as {@link MlflowServer.get} */
export async function* metricHistory(server: MlflowServer, id: string, key: string): AsyncGenerator<Metric> {
  const schema = z.object({ metrics: z.array(metric).default([]), next_page_token: z.string().optional() });
  yield* pages(async (page_token) => {
    const query = { run_id: id, metric_key: key, max_results: 1000, page_token };
    const answer = await server.get('mlflow/metrics/get-history', query, schema);
    return { items: answer.metrics, next: answer.next_page_token };
  });
}

type Page<T> = (token: string | undefined) => Promise<{ items: readonly T[]; next: string | undefined }>;

/** The items of all pages. @throws T2IError REMOTE_REFUSED where they do not end */
export async function* pages<T>(ask: Page<T>): AsyncGenerator<T> {
  let token: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { items, next } = await ask(token);
    yield* items;
    if (!next) return;
    token = next;
  }
  throw new T2IError('REMOTE_REFUSED', `The MLflow server has more than ${MOST_PAGES} pages for one question`, {
    hint: 'Check mlflow.server_uri and mlflow.experiment_name.',
  });
}

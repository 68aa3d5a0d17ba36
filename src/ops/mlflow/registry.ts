import { z } from 'zod';
import { T2IError } from '../../errors.js';
import { pages } from './runs.js';
import { anything, type MlflowServer } from './server.js';
import { byKey, quoted, whole } from './values.js';

/** The alias of the version that is promoted. */
export const CHAMPION = 'champion';
/** What says the same on servers without aliases: a tag of the version. */
const CHAMPION_TAG = 't2i.champion';

const version = z
  .object({
    name: z.string(),
    version: z.union([z.string().regex(/^\d+$/), whole.transform(String)]),
    run_id: z.string().default(''),
    source: z.string().default(''),
    tags: byKey,
  })
  .transform(({ run_id, ...rest }) => ({ ...rest, runId: run_id }));
/** A version of a registered model. */
export type ModelVersion = z.output<typeof version>;

/** Makes sure that a registered model exists. @throws T2IError as {@link MlflowServer.send} */
export async function ensureModel(server: MlflowServer, name: string): Promise<void> {
  try {
    await server.get('mlflow/registered-models/get', { name }, anything);
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Another one may have made it meanwhile.
    await server.send('POST', 'mlflow/registered-models/create', { name }, anything, false).catch(unlessThere);
  }
}

/** The versions of a registered model; none where there is no such model. @throws T2IError as {@link MlflowServer.get} */
export async function listVersions(server: MlflowServer, name: string): Promise<ModelVersion[]> {
  const schema = z.object({ model_versions: z.array(version).default([]), next_page_token: z.string().optional() });
  const filter = `name = ${quoted(name)}`;
  const found: ModelVersion[] = [];
  const all = pages(async (page_token) => {
    const fields = { filter, max_results: 200, page_token };
    const answer = await server.get('mlflow/model-versions/search', fields, schema);
    return { items: answer.model_versions, next: answer.next_page_token };
  });
  for await (const one of all) found.push(one);
  return found;
}

/** Registers what a run logged as a new version. @throws T2IError as {@link MlflowServer.send} */
export async function createVersion(
  server: MlflowServer,
  name: string,
  source: string,
  runId: string,
): Promise<ModelVersion> {
  const schema = z.object({ model_version: version });
  const fields = { name, source, run_id: runId };
  return (await server.send('POST', 'mlflow/model-versions/create', fields, schema, false)).model_version;
}

/** How it is written down which version is promoted. */
export type ChampionMark = 'alias' | 'tag';

/**
 * Marks a version as the one that is promoted, by an alias; where the server knows none, as DagsHub's, by a tag, which the versions
 * before lose.
 *
 * @throws T2IError as {@link MlflowServer.send}
 */
export async function setChampion(server: MlflowServer, name: string, number: string): Promise<ChampionMark> {
  try {
    const fields = { name, alias: CHAMPION, version: number };
    await server.send('POST', 'mlflow/registered-models/alias', fields, anything, true);
    return 'alias';
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  // The server has no aliases where the model itself is there.
  await server.get('mlflow/registered-models/get', { name }, anything);
  const versions = await listVersions(server, name);
  const tag = (version: string, value: string) =>
    server.send('POST', 'mlflow/model-versions/set-tag', { name, version, key: CHAMPION_TAG, value }, anything, true);
  await tag(number, 'true');
  for (const other of versions) {
    if (other.version !== number && other.tags[CHAMPION_TAG] === 'true') await tag(other.version, 'false');
  }
  return 'tag';
}

/** The version that is promoted; null where none is. @throws T2IError as {@link MlflowServer.get} */
export async function getChampion(server: MlflowServer, name: string): Promise<ModelVersion | null> {
  const schema = z.object({ model_version: version });
  try {
    return (await server.get('mlflow/registered-models/alias', { name, alias: CHAMPION }, schema)).model_version;
  } catch (error) {
    // MLflow says that an alias is missing with 400.
    if (!isMissing(error) && !(T2IError.is(error) && error.code === 'REMOTE_REFUSED')) throw error;
  }
  const versions = await listVersions(server, name);
  return versions.find(({ tags }) => tags[CHAMPION_TAG] === 'true') ?? null;
}

function isMissing(error: unknown): boolean {
  return T2IError.is(error) && error.code === 'REMOTE_NOT_FOUND';
}

function unlessThere(error: unknown): void {
  const there = T2IError.is(error) && (error.code === 'REMOTE_CONFLICT' || /already exists/i.test(error.message));
  if (!there) throw error;
}

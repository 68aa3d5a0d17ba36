import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type HubCache, sizeOfFolder } from '../../hub/cache.js';
import { packagedModels } from '../../model/resolve.js';
import { runOf } from '../../ops/hub/model-sources.js';
import { readParams } from '../../ops/params/read.js';

/** A model that can be named here. */
export interface ListedModel {
  /** `packaged` ships with the package, `promoted` is the one of this project, `hub` was fetched. */
  readonly kind: 'packaged' | 'promoted' | 'hub';
  /** What to give to `--model`; for what was promoted its folder. */
  readonly name: string;
  /** Branches and tags of the Hub, or the commit where none is known to mean it; the run that was promoted. */
  readonly revisions: readonly string[];
  readonly dir: string;
  readonly bytes: number;
}

/** Every model that can be named in a folder, in the order of the kinds. */
export async function listModels(project: string, cache: HubCache): Promise<ListedModel[]> {
  const packaged = (await packagedModels()).map(async ({ name, dir }) => {
    return { kind: 'packaged' as const, name, revisions: [], dir, bytes: (await sizeOfFolder(dir)).bytes };
  });
  const cached = (await cache.list()).map(({ repo, commit, refs, dir, bytes }) => {
    const revisions = refs.length > 0 ? refs : [commit];
    return { kind: 'hub' as const, name: repo, revisions, dir, bytes };
  });
  return [...(await Promise.all(packaged)), ...(await promotedModel(project)), ...cached];
}

/** The exported model of a project, where the folder is one and has one. */
async function promotedModel(project: string): Promise<ListedModel[]> {
  // A project whose parameters are wrong has a command that says so.
  const params = await readParams(project).catch(() => null);
  const folder = params?.params.log_trained_model.diffuser_dir;
  if (folder === undefined) return [];
  const [name, dir] = [join(folder, 'onnx_models'), join(project, folder, 'onnx_models')];
  if (!(await stat(join(dir, 't2i.json')).catch(() => null))) return [];
  const { bytes } = await sizeOfFolder(dir);
  const run = await runOf(join(project, folder));
  return [{ kind: 'promoted', name, revisions: run === null ? [] : [run], dir, bytes }];
}

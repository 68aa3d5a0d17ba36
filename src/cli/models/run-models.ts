import { T2IError } from '../../errors.js';
import { describeValue, refuse } from '../../fields.js';
import { HubCache } from '../../hub/cache.js';
import { checkRepoName } from '../../hub/repo-name.js';
import { projectHub } from '../../ops/hub/project-hub.js';
import { checkAction } from '../actions.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { columns, printJson } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { formatBytes } from '../quantities.js';
import { listModels } from './list-models.js';

/** The handler of `t2i models`. */
export async function runModels({ args, flags }: CommandInput, io: Io): Promise<number> {
  const [given = 'list', model] = args;
  const action = checkAction(given, ['list', 'remove']);
  const json = flags.json === true;
  if (action === 'list' && model !== undefined)
    refuse([{ option: 'model', expected: 'nothing with list', received: describeValue(model) }]);
  const project = projectFolder(io);
  const cache = new HubCache((await projectHub(project, io.env)).cache);
  if (action === 'list') await list(project, cache, json, io);
  else await remove(checkRepoName(model ?? '', 'model'), cache, json, io);
  return EXIT.ok;
}

async function list(project: string, cache: HubCache, json: boolean, io: Io): Promise<void> {
  const found = await listModels(project, cache);
  if (json) return printJson(io, { cache: cache.dir, models: found });
  const rows = found.map(({ kind, name, revisions, bytes, dir }) => [
    kind,
    name,
    revisions.join(', '),
    formatBytes(bytes),
    dir,
  ]);
  io.stdout.write(columns(['kind', 'model', 'revision', 'size', 'folder'], rows));
}

async function remove(repo: string, cache: HubCache, json: boolean, io: Io): Promise<void> {
  const there = (await cache.list()).some((model) => model.repo === repo);
  if (!there) {
    throw new T2IError('MODEL_NOT_FOUND', `${repo} is not in ${cache.dir}`, { hint: 'See what is there: t2i models' });
  }
  const bytes = await cache.remove(repo);
  if (json) printJson(io, { cache: cache.dir, removed: repo, bytes });
  else io.stderr.write(`removed ${repo}, ${formatBytes(bytes)}\n`);
}

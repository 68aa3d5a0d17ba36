import { basename } from 'node:path';
import { engineCacheFolder, listEngines, pruneEngineCache, verifyEngineFile } from '../../backends/engines.js';
import { T2IError } from '../../errors.js';
import { describeValue, refuse } from '../../fields.js';
import { HubCache } from '../../hub/cache.js';
import { projectHub } from '../../ops/hub/project-hub.js';
import { checkAction, needlessFlag } from '../actions.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { listModels } from '../models/list-models.js';
import { columns, printJson, table } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { formatBytes } from '../quantities.js';
import { ENGINE_COLUMNS, engineRow, headerRows, shortName } from './rows.js';

const ACTIONS = ['list', 'inspect', 'prune'] as const;
type Action = (typeof ACTIONS)[number];

/** The handler of `t2i engines`. */
export async function runEngines({ args, flags }: CommandInput, io: Io): Promise<number> {
  const [given = 'list', file] = args;
  const action = checkArguments(given, file, flags);
  const json = flags.json === true;
  const dir = engineCacheFolder();
  if (action === 'inspect') await inspect(await findFile(file as string, dir), json, io);
  else if (action === 'prune') await prune(dir, flags.dryRun === true, json, io);
  else await list(dir, json, io);
  return EXIT.ok;
}

function checkArguments(given: string, file: string | undefined, flags: CommandInput['flags']): Action {
  const action = checkAction(given, ACTIONS);
  const issues = [];
  if (action === 'inspect' && file === undefined) {
    issues.push({ option: 'file', expected: 'an engine file with inspect', received: 'nothing' });
  }
  if (action !== 'inspect' && file !== undefined) {
    issues.push({ option: 'file', expected: `nothing with ${action}`, received: describeValue(file) });
  }
  if (action !== 'prune' && flags.dryRun === true) {
    issues.push(needlessFlag('dryRun', `with ${action}`));
  }
  refuse(issues);
  return action;
}

async function list(dir: string, json: boolean, io: Io): Promise<void> {
  const entries = await listEngines(dir);
  const whole = entries.filter((entry) => 'header' in entry);
  const damaged = entries.filter((entry) => 'damage' in entry);
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (json) {
    const engines = whole.map(({ path, ...rest }) => ({ file: path, ...rest }));
    const broken = damaged.map(({ path, damage, ...rest }) => ({ file: path, ...rest, reason: damage.message }));
    printJson(io, { dir, bytes, engines, damaged: broken });
    return;
  }
  io.stderr.write(`${dir}: ${count(entries.length, 'engine')}, ${formatBytes(bytes)}\n`);
  const now = new Date();
  if (whole.length > 0)
    io.stdout.write(
      columns(
        ENGINE_COLUMNS,
        whole.map((entry) => engineRow(entry, now)),
      ),
    );
  if (damaged.length > 0) {
    io.stdout.write(
      columns(
        ['damaged', 'why'],
        damaged.map(({ path, damage }) => [basename(path), damage.message]),
      ),
    );
  }
}

async function inspect(path: string, json: boolean, io: Io): Promise<void> {
  const header = await verifyEngineFile(path);
  if (json) printJson(io, { file: path, header });
  else io.stdout.write(table([['file', path], ...headerRows(header)]));
}

/** A path, or the start of a name in the cache, as the list shows it. */
async function findFile(given: string, dir: string): Promise<string> {
  if (/[\\/.]/.test(given)) return given;
  const found = (await listEngines(dir)).map(({ path }) => path).filter((path) => basename(path).startsWith(given));
  const [path] = found;
  if (path !== undefined && found.length === 1) return path;
  const received = found.length === 0 ? 'none' : found.map(shortName).join(', ');
  throw new T2IError(
    'ENGINE_INVALID',
    `Expected one engine whose name starts with ${JSON.stringify(given)} in ${dir}, found ${received}`,
    {
      hint: 'Run `t2i engines` to see those that are there, or give the path of a file.',
    },
  );
}

async function prune(dir: string, dryRun: boolean, json: boolean, io: Io): Promise<void> {
  const project = projectFolder(io);
  const { cache } = await projectHub(project, io.env);
  const models = (await listModels(project, new HubCache(cache))).map((model) => model.dir);
  const removed = await pruneEngineCache(dir, { models, dryRun });
  const bytes = removed.reduce((sum, file) => sum + file.bytes, 0);
  if (json) {
    printJson(io, { dir, dryRun, bytes, removed: removed.map(({ path, ...rest }) => ({ file: path, ...rest })) });
    return;
  }
  const rows = removed.map(({ path, bytes: size, reason }) => [basename(path), formatBytes(size), reason]);
  if (rows.length > 0) io.stdout.write(columns([dryRun ? 'would remove' : 'removed', 'size', 'why'], rows));
  io.stderr.write(
    `${dir}: ${dryRun ? 'would remove' : 'removed'} ${count(rows.length, 'file')}, ${formatBytes(bytes)}\n`,
  );
}

function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? '' : 's'}`;
}

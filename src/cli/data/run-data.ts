import { resolve } from 'node:path';
import { checkFields, integer, isRecord, oneOf, refuse, text } from '../../fields.js';
import { readParams } from '../../ops/params/read.js';
import type { PushFormat } from '../../ops/s3/push.js';
import { checkAction, flagsOfOthers, needlessFlag, refuseFile, requireFile } from '../actions.js';
import { type CommandInput, flagOfKey } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { toNumber } from '../load-flags.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { pushWithReport } from '../push-with-report.js';
import { runProjectStage } from '../run-project-stage.js';
import { PLACES } from './places.js';

const ACTIONS = ['import', 'caption', 'embed', 'latents', 'check', 'push'] as const;
type Action = (typeof ACTIONS)[number];

/** Scripts by action. */
const STAGES: Readonly<Record<Exclude<Action, 'push'>, string>> = {
  import: 'import_data',
  caption: 'caption',
  embed: 'embed',
  latents: 'latents',
  check: 'check_data',
};

/** How a push to S3 packs the files. */
const ARCHIVES = ['shards', 'zip'];

/** The handler of `t2i data`; a check that found errors ends with 1. */
export async function runData(input: CommandInput, io: Io): Promise<number> {
  const [given = 'check', source] = input.args;
  const action = checkAction(given, ACTIONS);
  const options = optionsOf(action, source, input, io);
  const value =
    action === 'push'
      ? await pushData(input, io)
      : await runProjectStage({ stage: STAGES[action], options }, input, io);
  const code = tellResult(value, input, io);
  return isRecord(value) && value.ok === false ? EXIT.failure : code;
}

/** Copies images, captions and what was prepared of them to `data.remote`. */
async function pushData({ flags }: CommandInput, io: Io): Promise<unknown> {
  const project = projectFolder(io);
  const { data } = (await readParams(project)).params;
  const format = (flags.archive ?? 'shards') as PushFormat;
  const folders = format === 'zip' ? [data.raw] : [data.raw, 'data/prepared'];
  const push = { folders, target: data.remote, option: 'data.remote', format, what: 'data', name: 'data-push' };
  return pushWithReport(project, push, io);
}

/** Where the actions that run a model do so, by the keys of the flags. */
const RAY_ALONE = ['rayAddress', 'rayWorkers'];
const RAY = ['on', ...RAY_ALONE];

/** The flags that only some actions take, by their keys. */
const FLAGS_OF: Partial<Record<Action, readonly string[]>> = {
  import: ['strict', 'classCaptions', 'minSide'],
  caption: ['overwrite', ...RAY],
  embed: RAY,
  latents: RAY,
  push: ['archive'],
};

const FIELDS = {
  minSide: integer(1, 65_536),
  archive: oneOf(ARCHIVES),
  on: oneOf(PLACES),
  rayAddress: text('HOST:PORT, auto or local', 1, 300),
  rayWorkers: integer(1, 10_000),
};

/** The options of an action's script. @throws T2IError OPTION_INVALID with every flag that is another action's */
function optionsOf(action: Action, source: string | undefined, { flags }: CommandInput, io: Io): string[] {
  const own = FLAGS_OF[action] ?? [];
  const number = (key: string) => toNumber(flags[key]);
  const { archive, on = 'here', rayAddress } = flags;
  const idle = on === 'here' ? RAY_ALONE.filter((key) => own.includes(key) && flags[key] !== undefined) : [];
  refuse([
    ...flagsOfOthers(action, FLAGS_OF, flags),
    ...idle.map((key) => needlessFlag(key, 'without --on ray')),
    ...(action === 'push' && flags.python !== undefined ? [needlessFlag('python', 'with push')] : []),
    ...checkFields({ archive, on, rayAddress, minSide: number('minSide'), rayWorkers: number('rayWorkers') }, FIELDS),
  ]);
  const options = own.flatMap((key) => {
    if (flags[key] === undefined) return [];
    return typeof flags[key] === 'string' ? [flagOfKey(key), flags[key]] : [flagOfKey(key)];
  });
  if (action !== 'import') {
    refuseFile(action, source);
    return options;
  }
  const folder = resolve(projectFolder(io), requireFile(action, source, 'a folder or an archive of images'));
  return ['--source', folder, ...options];
}

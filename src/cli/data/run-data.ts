import { resolve } from 'node:path';
import { refuse } from '../../fields.js';
import { checkAction, refuseFile, requireFile } from '../actions.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { printJson } from '../output.js';
import { printResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { runProjectStage } from '../run-project-stage.js';
import { pushData } from './push-data.js';

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

/** The handler of `t2i data`. */
export async function runData(input: CommandInput, io: Io): Promise<number> {
  const [given = 'check', source] = input.args;
  const action = checkAction(given, ACTIONS);
  const options = optionsOf(action, source, input, io);
  const value =
    action === 'push' ? await pushData(io) : await runProjectStage({ stage: STAGES[action], options }, input, io);
  if (input.flags.json === true) printJson(io, value);
  else printResult(io, value);
  return EXIT.ok;
}

function optionsOf(action: Action, source: string | undefined, { flags }: CommandInput, io: Io): string[] {
  const onlyWith = (name: string, owner: Action) =>
    action !== owner && flags[name] === true
      ? [{ option: `--${name}`, expected: `nothing with ${action}`, received: `--${name}` }]
      : [];
  refuse([...onlyWith('strict', 'import'), ...onlyWith('overwrite', 'caption')]);
  if (action !== 'import') {
    refuseFile(action, source);
    return flags.overwrite === true ? ['--overwrite'] : [];
  }
  const folder = resolve(projectFolder(io), requireFile(action, source, 'a folder or an archive of images'));
  return ['--source', folder, ...(flags.strict === true ? ['--strict'] : [])];
}

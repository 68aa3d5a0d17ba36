import { refuse } from '../../fields.js';
import { checkAction, needlessFlag } from '../actions.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { runStageCommand } from '../run-project-stage.js';

const ACTIONS = ['pack', 'unpack', 'convert-pickle'] as const;
type Action = (typeof ACTIONS)[number];

/** Scripts by action. */
const STAGES: Readonly<Record<Action, string>> = {
  pack: 'pack_model',
  unpack: 'unpack_model',
  'convert-pickle': 'convert_pickle',
};

/** What is written where no target is named. */
const TARGETS: Readonly<Record<Action, (source: string) => string>> = {
  pack: (source) => `${source}.zip`,
  unpack: (source) => (source.endsWith('.zip') ? source.slice(0, -'.zip'.length) : `${source}.model`),
  'convert-pickle': (source) => `${source.replace(/\.[^./\\]+$/, '')}.safetensors`,
};

/** The handler of `t2i model`. */
export async function runModel(input: CommandInput, io: Io): Promise<number> {
  const [given = '', source = '', target] = input.args;
  const action = checkAction(given, ACTIONS);
  const trusted = input.flags.iTrustThisFile === true;
  if (trusted && action !== 'convert-pickle') refuse([needlessFlag('iTrustThisFile', `with ${action}`)]);
  const from = source.replace(/(?<=.)[\\/]+$/, '');
  const options = ['--source', from, '--target', target ?? TARGETS[action](from)];
  if (trusted) options.push('--i-trust-this-file');
  return runStageCommand({ stage: STAGES[action], options, anywhere: true }, input, io);
}

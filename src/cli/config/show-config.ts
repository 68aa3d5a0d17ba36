import { DEFAULT_MODEL } from '../../model/resolve.js';
import type { Request } from '../../options.js';
import { weightsOf } from '../../pipeline/weights-of.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { withFlagNames } from '../flag-names.js';
import { generate } from '../generate/command.js';
import { readFlags } from '../generate/flags.js';
import { runLimitsOf } from '../generate/run-limits.js';
import { makeTasks } from '../generate/tasks.js';
import type { Io } from '../io.js';
import { columns, printJson } from '../output.js';
import { readModel } from '../read-model.js';
import { type Default, REPLACES, readDefaults, withDefaults } from './defaults.js';

/** The handler of `t2i config`. What is written down is checked as a run of `generate` would. */
export async function showConfig({ flags }: CommandInput, io: Io): Promise<number> {
  const defaults = readDefaults(io);
  const input = withDefaults(generate, { args: [], flags: {} }, defaults);
  const settings = await settingsOf(input, defaults.values, io).catch((error: unknown) => {
    throw withFlagNames(error, generate, input);
  });
  const path = defaults.file?.path ?? null;
  if (flags.json === true) printJson(io, { file: path, settings: Object.fromEntries(settings) });
  else {
    io.stderr.write(`${path ?? 'no t2i.config.json, and no "t2i" in a package.json'}\n`);
    const rows = settings.map(([key, { value, source }]) => [key, String(value), source]);
    io.stdout.write(columns(['setting', 'value', 'from'], rows));
  }
  return EXIT.ok;
}

/** What holds for every run, and then what is written down besides. @throws T2IError OPTION_INVALID, and those of a model */
async function settingsOf(
  input: CommandInput,
  written: ReadonlyMap<string, Default>,
  io: Io,
): Promise<[string, Default][]> {
  const flags = readFlags(input);
  const { output, format, preset } = input.flags as { output?: string; format?: string; preset?: string };
  const model = await readModel(flags.load.model, io, weightsOf(flags.load.backend));
  const [task] = makeTasks({ prompt: '' }, flags, { output, format }, runLimitsOf(model));
  // A preset that is written down with steps beside it gives way to them.
  const replaced = new Set(
    [...written.keys()].flatMap((key) => (key === 'preset' ? [] : [key, ...(REPLACES[key] ?? [])])),
  );
  const rest = task === undefined ? [] : unwritten(task.request, model.name, preset);
  return [...rest.filter(([key]) => !replaced.has(key)), ...written];
}

function unwritten(request: Request, model: string, preset: string | undefined): [string, Default][] {
  const builtIn = (value: string): Default => ({ value, source: 'built in' });
  const ofModel = (value: unknown): Default => ({ value: String(value), source: `model ${model}` });
  const ofPreset = (value: unknown): Default =>
    preset === undefined ? ofModel(value) : { value: String(value), source: `model ${model}, preset ${preset}` };
  return [
    ['model', builtIn(DEFAULT_MODEL)],
    ['backend', builtIn('auto')],
    ['output', builtIn('{prompt-hash}-{seed}.png')],
    ['count', builtIn('1')],
    ['size', ofModel(`${request.width}x${request.height}`)],
    ['steps', ofPreset(request.steps)],
    ['sampler', ofPreset(request.sampler)],
    ['guidance', ofPreset(request.guidanceScale)],
  ];
}

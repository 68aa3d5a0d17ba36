import { readFile } from 'node:fs/promises';
import { T2IError } from '../../errors.js';
import type { Command, CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { GENERATE_FLAGS, readFlags } from '../generate/flags.js';
import type { OutputFlags, Source } from '../generate/tasks.js';
import { type Io, readStdin } from '../io.js';

export const generate: Command = {
  name: 'generate',
  summary: 'Turn a sentence into pictures.',
  arguments: [
    { name: 'prompt', description: 'what the picture should show; - reads it from standard input', required: false },
  ],
  flags: GENERATE_FLAGS,
  examples: [
    't2i generate "a red apple on a blue background" -o apple.png',
    't2i generate "a red apple" -n 4 --seed 7 -o apples/',
    't2i generate "a red apple" --seeds 1,2,3 --sampler dpmpp-2m --sigmas karras --steps 20 -o \'apple-{seed}.webp\'',
    't2i generate --batch prompts.jsonl -o pictures/ --json',
  ],
  run: generatePictures,
};

async function generatePictures(input: CommandInput, io: Io): Promise<number> {
  const source = await readSource(input, io);
  const flags = readFlags(input);
  const { BACKENDS, describeModel, limitsOf, makeTasks, Pipeline, resolveModel, runTasks } = await loadModules();
  // Checked against the model before the model is opened, which takes seconds.
  const model = await describeModel(await resolveModel(flags.load.model));
  const limits = { ...limitsOf(model), backends: ['auto', ...BACKENDS.map(({ name }) => name)] };
  const tasks = makeTasks(source, flags, outputFlags(input), limits);
  io.signal.throwIfAborted();
  await using pipeline = await Pipeline.load(flags.load);
  await runTasks(pipeline, tasks, { metadata: input.flags.metadata !== false, json: input.flags.json === true }, io);
  return EXIT.ok;
}

async function loadModules() {
  const [select, model, resolve, limits, tasks, pipeline, run] = await Promise.all([
    import('../../backends/select.js'),
    import('../../model/layout.js'),
    import('../../model/resolve.js'),
    import('../../pipeline/limits.js'),
    import('../generate/tasks.js'),
    import('../../pipeline.js'),
    import('../generate/run.js'),
  ]);
  return { ...select, ...model, ...resolve, ...limits, ...tasks, ...pipeline, ...run };
}

function outputFlags({ flags }: CommandInput): OutputFlags {
  return { output: flags.output as string | undefined, format: flags.format as string | undefined };
}

async function readSource({ args, flags }: CommandInput, io: Io): Promise<Source> {
  const [prompt] = args;
  const { batch } = flags;
  if ((prompt === undefined) === (batch === undefined)) {
    const received = prompt === undefined ? 'neither' : 'both';
    const issue = { option: 'prompt', expected: 'either a prompt or --batch', received };
    throw new T2IError('OPTION_INVALID', `expected either a prompt or --batch, received ${received}`, {
      issues: [issue],
    });
  }
  if (prompt !== undefined) return { prompt: prompt === '-' ? await readStdin(io) : prompt };
  return { batch: batch === '-' ? await readStdin(io) : await readText(batch as string) };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new T2IError('IO_FAILED', `Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

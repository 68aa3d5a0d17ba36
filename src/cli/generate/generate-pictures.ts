import { readFile } from 'node:fs/promises';
import { BACKENDS } from '../../backends/select.js';
import { T2IError } from '../../errors.js';
import { describeModel } from '../../model/layout.js';
import { resolveModel } from '../../model/resolve.js';
import { limitsOf } from '../../pipeline/limits.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { type Io, readStdin } from '../io.js';
import { loadPipeline } from '../load-pipeline.js';
import { readFlags } from './flags.js';
import { runTasks } from './run.js';
import { makeTasks, type Source } from './tasks.js';

/** The handler of `t2i generate`. Nothing is drawn or written before everything is checked. */
export async function generatePictures(input: CommandInput, io: Io): Promise<number> {
  const source = await readSource(input, io);
  const flags = readFlags(input);
  const { output, format, metadata, json } = input.flags as {
    output?: string;
    format?: string;
  } & CommandInput['flags'];
  // Checked against the model before the model is opened, which takes seconds.
  const model = await describeModel(await resolveModel(flags.load.model));
  const limits = { ...limitsOf(model), backends: ['auto', ...BACKENDS.map(({ name }) => name)] };
  const tasks = makeTasks(source, flags, { output, format }, limits);
  io.signal.throwIfAborted();
  await using pipeline = await loadPipeline(flags.load, io);
  await runTasks(pipeline, tasks, { metadata: metadata !== false, json: json === true }, io);
  return EXIT.ok;
}

async function readSource({ args, flags }: CommandInput, io: Io): Promise<Source> {
  const [prompt] = args;
  const { batch } = flags;
  if ((prompt === undefined) === (batch === undefined)) {
    const received = prompt === undefined ? 'neither' : 'both';
    const issue = { option: 'prompt', expected: 'either a prompt or --batch', received };
    throw new T2IError('OPTION_INVALID', `Expected either a prompt or --batch, received ${received}`, {
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

import { T2IError } from '../../errors.js';
import { weightsOf } from '../../pipeline/weights-of.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { type Io, readStdin } from '../io.js';
import { loadPipeline } from '../load-pipeline.js';
import { readModel } from '../read-model.js';
import { readTextFile } from '../text-file.js';
import { readFlags } from './flags.js';
import { TO_STDOUT } from './naming.js';
import { runTasks } from './run.js';
import { runLimitsOf } from './run-limits.js';
import { makeTasks, type Source, type Task } from './tasks.js';

/** The handler of `t2i generate`. Nothing is drawn or written before everything is checked. */
export async function generateImages(input: CommandInput, io: Io): Promise<number> {
  const source = await readSource(input, io);
  const flags = readFlags(input);
  const { output, format, metadata, json } = input.flags as {
    output?: string;
    format?: string;
  } & CommandInput['flags'];
  // Checked against the model before the model is opened, which takes seconds.
  const model = await readModel(flags.load.model, io, weightsOf(flags.load.backend));
  const tasks = makeTasks(source, flags, { output, format }, runLimitsOf(model));
  refuseMixedOutput(tasks, json === true);
  io.signal.throwIfAborted();
  await using pipeline = await loadPipeline(flags.load, io, model);
  await runTasks(pipeline, tasks, { metadata: metadata !== false, json: json === true }, io);
  return EXIT.ok;
}

/** An image on standard output leaves no room for JSON there. */
function refuseMixedOutput(tasks: readonly Task[], json: boolean): void {
  const toStdout = tasks.some(({ images }) => images.some(({ path }) => path === TO_STDOUT));
  if (!json || !toStdout) return;
  const issue = { option: '--output', expected: 'a file or folder beside --json', received: TO_STDOUT };
  throw new T2IError('OPTION_INVALID', 'Expected either --json or an image on standard output', { issues: [issue] });
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
  return { batch: batch === '-' ? await readStdin(io) : await readTextFile(batch as string) };
}

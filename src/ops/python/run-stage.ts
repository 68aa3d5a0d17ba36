import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { T2IError, T2IInternalError } from '../../errors.js';
import { readLines } from '../../python/read-lines.js';
import { temporaryPath } from '../../temporary-files.js';
import { TRAINER } from '../../trainer-folder.js';
import type { Params } from '../params/schema.js';
import { parseEvent, type StageEvent, type StageProgress } from './events.js';

export interface StageRun {
  /** Name of a script in trainer/stages. */
  readonly stage: string;
  /** Absolute path of the project. */
  readonly project: string;
  readonly params: Params;
  /** Options that the script takes besides. */
  readonly options?: readonly string[];
  /** Interpreter, and what stands between it and the script, for example of torchrun. */
  readonly python: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
  readonly onWarning?: (message: string) => void;
}

/** Lines of standard error that are kept to say why a stage ended without a word. */
const KEPT_LINES = 30;

/**
 * Runs a stage of the trainer to its end. An abort is told to it by SIGTERM, on which it keeps what it has.
 *
 * @returns what the stage says that it made
 * @throws T2IError as the stage says; STAGE_FAILED where it ended without saying why; the signal's reason when aborted
 */
export async function runStage(run: StageRun): Promise<unknown> {
  const params = temporaryPath(join(tmpdir(), 't2i-params.json'));
  await writeFile(params, JSON.stringify(run.params), { mode: 0o600 });
  try {
    const [python = 'python3', ...before] = run.python;
    const script = join(TRAINER, 'stages', `${run.stage}.py`);
    const args = [...before, script, '--project', run.project, '--params', params, ...(run.options ?? [])];
    const child = spawn(python, args, { cwd: run.project, env: environment(run), stdio: ['ignore', 'pipe', 'pipe'] });
    return await follow(child, python, run);
  } finally {
    await rm(params, { force: true });
  }
}

function environment({ env }: StageRun): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...env,
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    TOKENIZERS_PARALLELISM: 'false',
  };
}

async function follow(child: ChildProcess, python: string, run: StageRun): Promise<unknown> {
  const stop = () => child.kill('SIGTERM');
  run.signal.addEventListener('abort', stop, { once: true });
  try {
    let last: StageEvent | null = null;
    const kept: string[] = [];
    const keep = (line: string) => {
      kept.push(line);
      if (kept.length > KEPT_LINES) kept.shift();
    };
    const onLine = (line: string) => {
      const event = parseEvent(line);
      if (event === null) keep(line);
      else if (event.event === 'progress') run.onProgress?.(event);
      else if (event.event === 'warning') run.onWarning?.(event.message);
      else last = event;
    };
    if (run.signal.aborted) stop();
    const ended = once(child, 'close').catch((cause: Error) => {
      throw new T2IError('PYTHON_UNAVAILABLE', `${python} cannot be started: ${cause.message}`, {
        hint: 'Give --python the path of an interpreter.',
        cause,
      });
    });
    const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    const [[code, signal]] = await Promise.all([
      ended,
      ...streams.map((stream, at) => readLines(stream, at === 0 ? onLine : keep)),
    ]);
    run.signal.throwIfAborted();
    return settle(last, code as number | null, signal as string | null, kept, run);
  } finally {
    run.signal.removeEventListener('abort', stop);
  }
}

function settle(
  event: StageEvent | null,
  code: number | null,
  signal: string | null,
  kept: readonly string[],
  { stage }: StageRun,
): unknown {
  if (event?.event === 'result' && code === 0) return event.value;
  if (event?.event === 'error') {
    const { code: name, message, hint, issues } = event;
    if (name === 'INTERNAL') throw new T2IInternalError(`${stage}: ${message}`);
    throw new T2IError(name, message, { hint: hint ?? undefined, issues });
  }
  const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
  const hint =
    signal === 'SIGKILL'
      ? 'The system ends processes so where memory runs out: use a smaller training.batch_size.'
      : 'The same command goes on where it stopped.';
  throw new T2IError('STAGE_FAILED', [`the stage ${stage} ${how}`, ...kept].join('\n'), { hint });
}

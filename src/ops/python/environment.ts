import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { T2IError } from '../../errors.js';
import { TRAINER } from '../../trainer-folder.js';
import { readLines } from './read-lines.js';

/** What env.py ends with where this machine lacks something that it needs itself. */
const MISSING_TOOL = 69;

/**
 * The interpreter that runs the trainer: the one that is given, else that of the trainer's own environment, which is set up first
 * where it is missing (about 6 GB, once).
 *
 * @param python an interpreter that has the trainer's packages
 * @param onLine what the set-up says while it works
 * @throws T2IError PYTHON_UNAVAILABLE; the signal's reason when aborted
 */
export async function trainerPython(
  python: string | undefined,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  if (python !== undefined) return python;
  const child = spawn('python3', [`${TRAINER}env.py`], { stdio: ['ignore', 'pipe', 'pipe'], signal });
  const printed: string[] = [];
  const said: string[] = [];
  const read = [
    readLines(child.stdout, (line) => printed.push(line)),
    readLines(child.stderr, (line) => {
      said.push(line);
      onLine(line);
    }),
  ];
  const [code] = await once(child, 'close').catch((cause: NodeJS.ErrnoException) => {
    signal.throwIfAborted();
    throw unavailable(`python3 cannot be started: ${cause.message}`, cause);
  });
  await Promise.all(read);
  const interpreter = printed.at(-1);
  if (code === 0 && interpreter !== undefined) return interpreter;
  const reason = said.at(-1) ?? `env.py ended with ${code}`;
  throw unavailable(code === MISSING_TOOL ? reason : `the trainer's environment could not be set up: ${reason}`);
}

function unavailable(message: string, cause?: unknown): T2IError {
  return new T2IError('PYTHON_UNAVAILABLE', message, {
    hint: 'Install Python 3.11 or newer with its venv module, or name an interpreter that has the packages of trainer/requirements.lock: --python PATH.',
    cause,
  });
}

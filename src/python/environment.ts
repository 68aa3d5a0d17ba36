import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { T2IError } from '../errors.js';
import { TRAINER } from '../trainer-folder.js';
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
  const { interpreter, code, reason } = await runEnv([], onLine, signal);
  if (interpreter !== null) return interpreter;
  throw unavailable(
    code === MISSING_TOOL || code === null ? reason : `the trainer's environment could not be set up: ${reason}`,
    'Install Python 3.11 or newer with its venv module, or name an interpreter that has the packages of trainer/requirements.lock: --python PATH.',
  );
}

/**
 * The interpreter of the trainer's own environment where that is there: nothing is installed.
 *
 * @throws T2IError PYTHON_UNAVAILABLE; the signal's reason when aborted
 */
export async function installedPython(signal: AbortSignal): Promise<string> {
  const { interpreter, reason } = await runEnv(['--installed'], () => undefined, signal);
  if (interpreter !== null) return interpreter;
  throw unavailable(
    reason,
    `\`python3 ${TRAINER}env.py\` installs what the trainer needs (6 GB, once); --python PATH names another interpreter that has it.`,
  );
}

/** What env.py printed, or why it printed nothing; without a code where it could not even be started. */
async function runEnv(
  options: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<{ interpreter: string | null; code: number | null; reason: string }> {
  const child = spawn('python3', [`${TRAINER}env.py`, ...options], { stdio: ['ignore', 'pipe', 'pipe'], signal });
  const printed: string[] = [];
  const said: string[] = [];
  const read = [
    readLines(child.stdout, (line) => printed.push(line)),
    readLines(child.stderr, (line) => {
      said.push(line);
      onLine(line);
    }),
  ];
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    await Promise.all(read);
    return {
      interpreter: code === 0 ? (printed.at(-1) ?? null) : null,
      code,
      reason: said.at(-1) ?? `env.py ended with ${code}`,
    };
  } catch (error) {
    signal.throwIfAborted();
    return { interpreter: null, code: null, reason: `python3 cannot be started: ${(error as Error).message}` };
  }
}

function unavailable(message: string, hint: string): T2IError {
  return new T2IError('PYTHON_UNAVAILABLE', message, { hint });
}

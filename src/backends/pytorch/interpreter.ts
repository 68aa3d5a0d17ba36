import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { T2IError } from '../../errors.js';
import { installedPython } from '../../python/environment.js';
import { TRAINER } from '../../trainer-folder.js';
import { spawnProgram } from '../process/program.js';
import type { ProcessKind } from '../process/runtime-process.js';
import type { PytorchService } from './child-calls.js';

/** The program of the child, which ships with the trainer. */
const ENTRY = `${TRAINER}backend.py`;
const INSTALL = `\`python3 ${TRAINER}env.py\` installs what is needed (6 GB, once); --python PATH names another interpreter that has it.`;

/** An interpreter, and the versions of the packages in it that the backend needs. */
export interface Interpreter {
  readonly path: string;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Finds the interpreter that runs PyTorch and asks it for its packages; none is loaded.
 *
 * @param python the one that was named; the trainer's own where that is installed when absent
 * @throws T2IError BACKEND_UNAVAILABLE with the command that helps; the signal's reason when aborted
 */
export async function findInterpreter(
  python: string | undefined,
  signal: AbortSignal = new AbortController().signal,
): Promise<Interpreter> {
  signal.throwIfAborted();
  const path = python ?? (await ownPython(signal));
  const versions = await askVersions(path, signal);
  const missing = Object.keys(versions).filter((name) => versions[name] === null);
  if (missing.length > 0) throw unavailable(`${path} lacks ${missing.join(', ')}`);
  return { path, versions: versions as Interpreter['versions'] };
}

/** The child that an interpreter runs. */
export function childOf({ path }: Interpreter): ProcessKind<PytorchService> {
  return {
    entry: ENTRY,
    runtime: 'PyTorch',
    installHint: INSTALL,
    // A model is a folder, whatever its files name; the package's own folder may be read-only.
    env: { HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1', TOKENIZERS_PARALLELISM: 'false' },
    connect: (start, onReply) => spawnProgram(path, start, onReply),
  };
}

async function ownPython(signal: AbortSignal): Promise<string> {
  try {
    return await installedPython(signal);
  } catch (error) {
    if (!T2IError.is(error)) throw error;
    throw unavailable(error.message);
  }
}

async function askVersions(path: string, signal: AbortSignal): Promise<Record<string, string | null>> {
  try {
    const { stdout } = await promisify(execFile)(path, [ENTRY, '--versions'], { signal });
    return JSON.parse(stdout);
  } catch (error) {
    signal.throwIfAborted();
    const [reason] = (error as Error).message.split('\n');
    throw unavailable(`${path} is no Python that runs: ${reason}`);
  }
}

function unavailable(reason: string): T2IError {
  return new T2IError('BACKEND_UNAVAILABLE', reason, { hint: INSTALL });
}

import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { withFileLock } from '../../file-lock.js';
import { makeFolder } from '../../files.js';
import { HashCache } from '../../model/hash-cache.js';
import { type Contents, contentsOf } from './content.js';
import { type Ran, readRecord, STATE_FOLDER, whyToRun, writeRecord } from './record.js';
import type { Stage } from './stage.js';

/** SHA-256 in hex by path; null where nothing is. */
type Hashes = Readonly<Record<string, string | null>>;

/** Of a data set of a hundred thousand images, with captions. */
const MOST_FILES = 1_000_000;

/** What became of a stage. */
export interface StageResult {
  readonly stage: string;
  readonly state: 'up to date' | 'done' | 'failed';
  /** Why it ran, in words; null where it did not. */
  readonly reason: string | null;
}

export interface RunOptions {
  /** Absolute path of the project. */
  readonly project: string;
  /** In the order they are run in. */
  readonly stages: readonly Stage[];
  readonly signal: AbortSignal;
  /** Runs a command line of t2i, without the program's name; returns its exit code. */
  readonly run: (command: readonly string[], stage: Stage) => Promise<number>;
  /** Told of each stage before it runs, or is passed over for want of a reason. */
  readonly onStage: (stage: Stage, reason: string | null) => void;
  /** Called where another process runs the stages, which is waited for. */
  readonly onWait: () => void;
}

/**
 * Runs the stages whose commands, parameters, inputs or outputs are not those of their last run, to the first that fails. The same call
 * goes on there.
 *
 * @returns what became of each stage that was reached, and the exit code of the first that failed, else 0
 * @throws T2IError DATA_INVALID where an input is missing, or a stage did not make what it says; IO_FAILED; the signal's reason when aborted
 */
export async function runStages(options: RunOptions): Promise<{ results: StageResult[]; code: number }> {
  const { project, signal, onWait } = options;
  const folder = join(project, STATE_FOLDER);
  await makeFolder(folder);
  return withFileLock(join(folder, 'stages.lock'), { signal, onWait }, () =>
    withContents(project, signal, async (contents) => {
      const record = await readRecord(project);
      const results: StageResult[] = [];
      for (const stage of options.stages) {
        signal.throwIfAborted();
        const { inputs, missing, reason } = await look(stage, contents, record);
        if (missing.length > 0) throw cannotRun(stage, missing);
        options.onStage(stage, reason);
        const code = reason === null ? 0 : await runAll(stage, options);
        const state = reason === null ? 'up to date' : code === 0 ? 'done' : 'failed';
        results.push({ stage: stage.name, state, reason });
        if (state === 'failed') return { results, code };
        if (state === 'done') {
          record.set(stage.name, await ranWith(stage, inputs, contents));
          await writeRecord(project, record);
        }
      }
      return { results, code: 0 };
    }),
  );
}

/**
 * Whether each stage is up to date. What comes after one that is not depends on what that one makes.
 *
 * @returns why each stage is to run, by name; null for one that is up to date
 * @throws T2IError IO_FAILED; the signal's reason when aborted
 */
export async function lookAtStages(
  project: string,
  stages: readonly Stage[],
  signal: AbortSignal,
): Promise<Map<string, string | null>> {
  return withContents(project, signal, async (contents) => {
    const record = await readRecord(project);
    const reasons = new Map<string, string | null>();
    for (const stage of stages) reasons.set(stage.name, (await look(stage, contents, record)).reason);
    return reasons;
  });
}

async function withContents<T>(
  project: string,
  signal: AbortSignal,
  work: (contents: Contents) => Promise<T>,
): Promise<T> {
  const hashes = await HashCache.open(join(project, STATE_FOLDER, 'hashes.json'), MOST_FILES);
  try {
    return await work(contentsOf(project, hashes, signal));
  } finally {
    await hashes.save();
  }
}

interface Look {
  readonly inputs: Hashes;
  /** Inputs that are not there. */
  readonly missing: readonly string[];
  /** Why the stage is to run, in words; null where it is up to date. */
  readonly reason: string | null;
}

async function look(stage: Stage, contents: Contents, record: ReadonlyMap<string, Ran>): Promise<Look> {
  const inputs = await hashesOf(stage.inputs, contents);
  const missing = missingOf(inputs);
  if (missing.length > 0) return { inputs, missing, reason: `${missing[0]} is missing` };
  const outputs = await hashesOf(stage.outputs, contents);
  return { inputs, missing, reason: whyToRun(stage, inputs, outputs, record.get(stage.name)) };
}

function cannotRun({ name }: Stage, missing: readonly string[]): T2IError {
  const issues = missing.map((path) => ({ option: path, expected: 'a file or a folder', received: 'nothing' }));
  return new T2IError('DATA_INVALID', `The stage ${name} needs ${missing.join(' and ')}`, {
    issues,
    hint: 'Import images first (t2i data import DIR), or run the stages before it too.',
  });
}

async function ranWith(stage: Stage, inputs: Hashes, contents: Contents): Promise<Ran> {
  const { name, commands, params } = stage;
  const outputs = await hashesOf(stage.outputs, contents);
  const missing = missingOf(outputs);
  if (missing.length > 0) {
    throw new T2IError('DATA_INVALID', `The stage ${name} ended well, and did not make ${missing.join(' and ')}`, {
      hint: 'Compare its outs in dvc.yaml with what its command writes.',
    });
  }
  const whole = (hashes: Hashes) => hashes as Record<string, string>;
  return { commands: commands.map((words) => [...words]), params, inputs: whole(inputs), outputs: whole(outputs) };
}

async function hashesOf(paths: readonly string[], contents: Contents): Promise<Hashes> {
  const hashes: Record<string, string | null> = {};
  for (const path of paths) hashes[path] = await contents.of(path);
  return hashes;
}

function missingOf(hashes: Hashes): string[] {
  return Object.keys(hashes).filter((path) => hashes[path] === null);
}

async function runAll(stage: Stage, { run }: RunOptions): Promise<number> {
  for (const command of stage.commands) {
    const code = await run(command, stage);
    if (code !== 0) return code;
  }
  return 0;
}

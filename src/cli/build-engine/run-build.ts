import { readFile } from 'node:fs/promises';
import {
  buildEngines,
  checkProfile,
  type EngineProfile,
  type EnsuredEngines,
  previewEngines,
} from '../../backends/engines.js';
import { type Issue, T2IError } from '../../errors.js';
import { cannotRead, prepareFile, writeFileAtomic, writeJsonFile } from '../../files.js';
import type { ModelDescription } from '../../model/description.js';
import { limitsOf } from '../../pipeline/limits.js';
import type { CommandInput } from '../command.js';
import { EngineProgress } from '../engines/open-progress.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson } from '../output.js';
import { readModel } from '../read-model.js';
import { type BuildRequest, readBuildFlags } from './flags.js';
import { printBuilt, printPreview } from './report.js';

/** The handler of `t2i build-engine`. */
export async function runBuild({ args, flags }: CommandInput, io: Io): Promise<number> {
  const model = await readModel(args[0], io);
  const request = checkFlags(flags, model);
  io.signal.throwIfAborted();
  const { runtime, profile, computeCapabilities, device, timingCache: file, out: dir, report } = request;
  // A build takes minutes: what cannot be written afterwards is told before.
  if (report !== undefined) await prepareFile(report);
  const before = file === undefined ? null : await readTimingCache(file);
  const progress = new EngineProgress(io);
  const options = {
    runtime,
    profile,
    computeCapabilities,
    device,
    timingCache: before,
    dir,
    onProgress: progress.update,
    signal: io.signal,
  };
  const json = flags.json === true;
  try {
    if (flags.dryRun === true) {
      printPreview(await previewEngines(model, options), json, io);
      return EXIT.ok;
    }
    const result = await buildEngines(model, options);
    progress.finish();
    if (file !== undefined && result.timingCache !== null && !same(before, result.timingCache)) {
      await writeFileAtomic(file, result.timingCache);
    }
    printBuilt(model.name, result, (network) => progress.seconds(network), json, io);
    await writeReport(report, { built: true, engines: enginesOf(result) });
    return EXIT.ok;
  } catch (error) {
    if (flags.optional === true && T2IError.is(error) && error.code === 'BACKEND_UNAVAILABLE') {
      await writeReport(report, { built: false, reason: error.message });
      progress.clear();
      note(io, `No engine was built: ${error.message}`);
      if (json) printJson(io, { model: model.name, engines: [] });
      return EXIT.ok;
    }
    throw computeCapabilities.length > 0 ? error : withAhead(error);
  } finally {
    progress.clear();
  }
}

/** For whoever runs this as a step of many. */
async function writeReport(report: string | undefined, value: unknown): Promise<void> {
  if (report !== undefined) await writeJsonFile(report, value);
}

function enginesOf({ engines }: EnsuredEngines) {
  return Object.values(engines).map(({ path, header }) => ({ file: path, header }));
}

/** Without a GPU there is another way than to install one. */
function withAhead(error: unknown): unknown {
  if (!T2IError.is(error) || error.code !== 'BACKEND_UNAVAILABLE') return error;
  const ahead = 'To build for a GPU that is not here, install TensorRT-RTX and give --compute.';
  return new T2IError(error.code, error.message, { hint: [error.hint, ahead].filter(Boolean).join(' '), cause: error });
}

/** @throws T2IError OPTION_INVALID with every mistake */
function checkFlags(flags: CommandInput['flags'], model: ModelDescription): BuildRequest {
  const { request, issues } = readBuildFlags(flags, limitsOf(model), model.vaeFactor);
  const all = [...issues, ...(request.profile ? profileIssues(request.profile, model, flags) : [])];
  if (all.length === 0) return request;
  throw new T2IError('OPTION_INVALID', 'Invalid build options', { issues: all });
}

/** What the model says against the profile, by the flags that it was given with. */
function profileIssues(profile: EngineProfile, model: ModelDescription, flags: CommandInput['flags']): Issue[] {
  try {
    checkProfile(profile, model);
    return [];
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') throw error;
    const flagOf = (option: string) => (option === 'profile batch' ? '--batch' : '--size');
    return error.issues.map((issue) =>
      flags.profile === undefined
        ? { ...issue, option: flagOf(issue.option) }
        : { ...issue, option: issue.option.replace('profile', '--profile') },
    );
  }
}

/** Null where there is none yet. */
async function readTimingCache(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cannotRead(path, cause);
  }
}

function same(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && Buffer.compare(a, b) === 0;
}

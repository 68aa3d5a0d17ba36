import { readParams } from '../ops/params/read.js';
import { PARAMS, type Params } from '../ops/params/schema.js';
import { runStage } from '../ops/python/run-stage.js';
import { trainerPython } from '../python/environment.js';
import type { CommandInput } from './command.js';
import type { Io } from './io.js';
import { warn } from './output.js';
import { tellResult } from './print-result.js';
import { projectFolder } from './project-folder.js';
import { StageStatus } from './stage-status.js';

export interface ProjectStage {
  /** Name of a script in trainer/stages. */
  readonly stage: string;
  readonly options?: readonly string[];
  /** What stands between the interpreter and the script, for example of torchrun. */
  readonly launcher?: (params: Params) => readonly string[];
  /** It works on files that are named, in a project or not: no params.yaml is read. */
  readonly anywhere?: true;
  /** It needs as many images as the parameters train on. */
  readonly trains?: true;
  /** Parameters that flags of the command line replace. */
  readonly replace?: (params: Params) => Params;
}

/**
 * Runs a stage of the trainer in the project of the working folder, with its progress on standard error.
 *
 * @returns what the stage says that it made
 * @throws T2IError OPTION_INVALID for the parameters, PYTHON_UNAVAILABLE, and what the stage says
 */
export async function runProjectStage(stage: ProjectStage, { flags }: CommandInput, io: Io): Promise<unknown> {
  const project = projectFolder(io);
  const { params, warnings } = stage.anywhere
    ? { params: PARAMS.parse({}), warnings: [] }
    : await readParams(project, { trains: stage.trains === true, place: 'here', replace: stage.replace });
  for (const warning of warnings) warn(io, warning);
  const status = new StageStatus(io);
  try {
    const given = flags.python as string | undefined;
    const python = await trainerPython(given, (line) => status.show(line), io.signal);
    return await runStage({
      stage: stage.stage,
      project,
      params,
      python: [python, ...(stage.launcher?.(params) ?? [])],
      options: stage.options ?? [],
      signal: io.signal,
      onProgress: status.update,
      onWarning: (message) => {
        status.clear();
        warn(io, message);
      },
    });
  } finally {
    status.clear();
  }
}

/** The handler of a command that is a stage and nothing more. */
export async function runStageCommand(stage: ProjectStage, input: CommandInput, io: Io): Promise<number> {
  return tellResult(await runProjectStage(stage, input, io), input, io);
}

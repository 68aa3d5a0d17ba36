import { checkFields, oneOf, refuse, unknownOption } from '../../fields.js';
import { readParams } from '../../ops/params/read.js';
import { readStages } from '../../ops/stages/dvc-file.js';
import { lookAtStages, runStages, type StageResult } from '../../ops/stages/run-stages.js';
import type { Stage } from '../../ops/stages/stage.js';
import { checkAction } from '../actions.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { main } from '../main.js';
import { columns, note, printJson } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { PIPELINE_ACTIONS, PIPELINE_PLACES } from './command.js';

const FIELDS = { on: oneOf(PIPELINE_PLACES) };

/** The handler of `t2i pipeline`. */
export async function runPipeline(input: CommandInput, io: Io): Promise<number> {
  const { args, flags } = input;
  const action = checkAction(args[0] ?? 'status', PIPELINE_ACTIONS);
  const on = flags.on as string | undefined;
  refuse(checkFields({ on }, FIELDS));
  const project = projectFolder(io);
  const { params } = await readParams(project, { trains: action === 'run' });
  const all = await readStages(project, params);
  const stages = between(all, flags.from as string | undefined, flags.to as string | undefined);
  if (action === 'status') return tellStatus(await lookAtStages(project, stages, io.signal), input, io);
  const { results, code } = await runStages({
    project,
    stages,
    signal: io.signal,
    run: (command) => main(withPlace(command, on), quiet(io, flags.json === true)),
    onStage: ({ name }, reason) => {
      const at = `${all.findIndex((stage) => stage.name === name) + 1}/${all.length} ${name}`;
      note(io, reason === null ? `${at} is up to date` : `${at}: ${reason}`);
    },
    onWait: () => note(io, 'waiting for another process that runs the stages of this project'),
  });
  tellResults(results, input, io);
  return code;
}

/** The stages from one to another, both included. @throws T2IError OPTION_INVALID for names that no stage has */
function between(stages: readonly Stage[], from: string | undefined, to: string | undefined): Stage[] {
  const names = stages.map(({ name }) => name);
  const issues = Object.entries({ from, to }).flatMap(([option, name]) =>
    name === undefined || names.includes(name) ? [] : [{ ...unknownOption(name, names), option }],
  );
  refuse(issues.map((issue) => ({ ...issue, problem: `no stage of that name; ${issue.expected}` })));
  const first = from === undefined ? 0 : names.indexOf(from);
  const last = to === undefined ? names.length - 1 : names.indexOf(to);
  if (first > last) refuse([{ option: 'to', expected: `${from} or a stage after it`, received: `${to}` }]);
  return stages.slice(first, last + 1);
}

/** A training elsewhere is the same stage: it makes the same files of the same parameters. */
function withPlace(command: readonly string[], on: string | undefined): readonly string[] {
  return on === undefined || command[0] !== 'train' ? command : [...command, '--on', on === 'local' ? 'here' : on];
}

/** What the stages themselves print would stand between the lines of JSON. */
function quiet(io: Io, json: boolean): Io {
  return json ? { ...io, stdout: { write: () => true } } : io;
}

function tellStatus(reasons: ReadonlyMap<string, string | null>, { flags }: CommandInput, io: Io): number {
  const rows = [...reasons].map(([stage, reason]) => ({ stage, upToDate: reason === null, reason }));
  if (flags.json === true) printJson(io, rows);
  else
    io.stdout.write(
      columns(
        ['stage', 'state'],
        [...reasons].map(([name, reason]) => [name, reason ?? 'up to date']),
      ),
    );
  return EXIT.ok;
}

function tellResults(results: readonly StageResult[], { flags }: CommandInput, io: Io): void {
  if (flags.json === true) printJson(io, { stages: results });
  const failed = results.find(({ state }) => state === 'failed');
  if (failed !== undefined) note(io, `the stage ${failed.stage} failed; the same command goes on with it`);
}

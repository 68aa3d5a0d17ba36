import { checkFields, integer, oneOf, refuse, text } from '../../fields.js';
import type { Params } from '../../ops/params/schema.js';
import { STRATEGIES } from '../../ops/params/strategies.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { toNumber } from '../load-flags.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { runProjectStage } from '../run-project-stage.js';
import { writeReport } from '../write-report.js';

const FIELDS = {
  strategy: oneOf(STRATEGIES),
  nproc: integer(1, 64),
  initFrom: text('a folder', 1, 4096),
  run: {
    expected: 'letters, digits, dots, dashes and underscores',
    accepts: (v: unknown) => /^[\w][\w.-]{0,99}$/.test(`${v}`),
  },
};

/** The handler of `t2i train`. */
export async function runTrain(input: CommandInput, io: Io): Promise<number> {
  const { strategy, nproc, initFrom, run } = input.flags as Readonly<Record<string, string | undefined>>;
  const processes = nproc === undefined ? 1 : toNumber(nproc);
  refuse(checkFields({ strategy, nproc: processes, initFrom, run }, FIELDS));
  const value = await runProjectStage(
    {
      stage: 'train',
      replace: (params) => withFlags(params, strategy, initFrom, run),
      launcher: () => (processes === 1 ? [] : torchrun(processes as number)),
    },
    input,
    io,
  );
  await writeReport(projectFolder(io), 'training', value);
  return tellResult(value, input, io);
}

function withFlags(params: Params, strategy?: string, initFrom?: string, run?: string): Params {
  const { training, unet, mlflow } = params;
  return {
    ...params,
    training: { ...training, strategy: (strategy ?? training.strategy) as Params['training']['strategy'] },
    unet: { ...unet, init_from: initFrom ?? unet.init_from },
    mlflow: { ...mlflow, run_name: run ?? mlflow.run_name },
  };
}

/** One process starts the others, and ends them where one fails. */
function torchrun(processes: number): string[] {
  return ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', String(processes)];
}

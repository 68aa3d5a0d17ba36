import { resolve } from 'node:path';
import type { Issue } from '../../errors.js';
import { checkFields, integer, oneOf, refuse, text } from '../../fields.js';
import { UNET_FOLDER } from '../../ops/params/check.js';
import { hasUnet } from '../../ops/params/facts.js';
import { NAME } from '../../ops/params/name.js';
import { AWAY, PLACES } from '../../ops/params/places.js';
import { readParamsToCheck } from '../../ops/params/read.js';
import type { Params } from '../../ops/params/schema.js';
import { STRATEGIES } from '../../ops/params/strategies.js';
import { needlessFlag } from '../actions.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { toNumber } from '../load-flags.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { runProjectStage } from '../run-project-stage.js';
import { writeReport } from '../write-report.js';
import { CONTAINER_FORMATS } from './container-formats.js';

const FIELDS = {
  strategy: oneOf(STRATEGIES),
  nproc: integer(1, 64),
  initFrom: text('a folder', 1, 4096),
  run: { expected: NAME.expected, accepts: (value: unknown) => NAME.pattern.test(`${value}`) },
  on: oneOf(PLACES),
  containerFormat: oneOf(CONTAINER_FORMATS),
};

/** Flags of a training on other machines alone, by their keys. */
const AWAY_FLAGS = ['wait', 'detach', 'spot', 'dryRun', 'containerFormat'];

/** The handler of `t2i train`. */
export async function runTrain(input: CommandInput, io: Io): Promise<number> {
  const { strategy, nproc, initFrom, run, on: given, containerFormat } = input.flags as Record<string, string>;
  const processes = nproc === undefined ? 1 : (toNumber(nproc) as number);
  const issues = checkFields({ strategy, nproc: processes, initFrom, run, on: given, containerFormat }, FIELDS);
  const wrong = issues.length > 0;
  const on = given ?? (wrong ? 'here' : (await readParamsToCheck(projectFolder(io))).params.pytorch_estimator.train_on);
  refuse([...issues, ...checkPlace(on, input.flags), ...(await checkInitFrom(initFrom, io))]);
  const replace = (params: Params) => withFlags(params, input.flags);
  if ((AWAY as readonly string[]).includes(on)) {
    const { trainAway } = await import('./train-away.js');
    return trainAway(on as (typeof AWAY)[number], replace, input, io);
  }
  const launcher = () => (processes === 1 ? [] : torchrun(processes));
  const value = await runProjectStage({ stage: 'train', trains: true, replace, launcher }, input, io);
  await writeReport(projectFolder(io), 'training', value);
  return tellResult(value, input, io);
}

async function checkInitFrom(initFrom: string | undefined, io: Io): Promise<Issue[]> {
  if (!initFrom || (await hasUnet(resolve(projectFolder(io), initFrom)))) return [];
  return [{ option: '--init-from', expected: UNET_FOLDER, received: initFrom }];
}

/** Flags that do not go together with where the training runs. */
function checkPlace(on: string, flags: CommandInput['flags']): Issue[] {
  const given = (keys: readonly string[]) => keys.filter((key) => flags[key] !== undefined);
  if (on === 'here') return given(AWAY_FLAGS).map((key) => needlessFlag(key, 'without --on sagemaker'));
  return [
    ...given(['nproc']).map((key) => needlessFlag(key, `with --on ${on}: one process a GPU of each machine`)),
    ...(flags.wait && flags.detach ? [needlessFlag('detach', 'with --wait')] : []),
    ...(flags.detach && on === 'local-sagemaker'
      ? [needlessFlag('detach', 'with --on local-sagemaker, which ends with it')]
      : []),
  ];
}

function withFlags(params: Params, { strategy, initFrom, run, spot }: CommandInput['flags']): Params {
  const { training, unet, mlflow, pytorch_estimator: estimator } = params;
  const given = { strategy, initFrom, run, spot } as {
    strategy?: Params['training']['strategy'];
    initFrom?: string;
    run?: string;
    spot?: boolean;
  };
  return {
    ...params,
    training: { ...training, strategy: given.strategy ?? training.strategy },
    unet: { ...unet, init_from: given.initFrom ?? unet.init_from },
    mlflow: { ...mlflow, run_name: given.run ?? mlflow.run_name },
    pytorch_estimator: { ...estimator, use_spot_instances: given.spot ?? estimator.use_spot_instances },
  };
}

/** One process starts the others, and ends them where one fails. */
function torchrun(processes: number): string[] {
  return ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', String(processes)];
}

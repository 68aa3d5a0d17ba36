import { resolve } from 'node:path';
import type { Issue } from '../../errors.js';
import { checkFields, integer, oneOf, refuse, text } from '../../fields.js';
import { UNET_FOLDER } from '../../ops/params/check.js';
import { hasUnet } from '../../ops/params/facts.js';
import { NAME } from '../../ops/params/name.js';
import { AWAY, type Away, PLACES, type Place } from '../../ops/params/places.js';
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
  // Parameters are read where nothing is wrong by itself: where the training runs stays unknown otherwise.
  const on = given ?? (issues.length > 0 ? undefined : await placeOfParams(io));
  refuse([...issues, ...checkPlace(on, input.flags), ...(await checkInitFrom(initFrom, io))]);
  const replace = (params: Params) => withFlags(params, input.flags);
  if (isAway(on)) {
    const { trainAway } = await import('./train-away.js');
    return trainAway(on, replace, input, io);
  }
  const launcher = () => (processes === 1 ? [] : torchrun(processes));
  const value = await runProjectStage({ stage: 'train', trains: true, replace, launcher }, input, io);
  await writeReport(projectFolder(io), 'training', value);
  return tellResult(value, input, io);
}

async function placeOfParams(io: Io): Promise<Place> {
  return (await readParamsToCheck(projectFolder(io))).params.pytorch_estimator.train_on;
}

function isAway(on: string | undefined): on is Away {
  return AWAY.some((place) => place === on);
}

async function checkInitFrom(initFrom: string | undefined, io: Io): Promise<Issue[]> {
  if (!initFrom || (await hasUnet(resolve(projectFolder(io), initFrom)))) return [];
  return [{ option: '--init-from', expected: UNET_FOLDER, received: initFrom }];
}

/** Flags that do not go together with where the training runs, as far as that is known. */
function checkPlace(on: string | undefined, flags: CommandInput['flags']): Issue[] {
  const needless = (key: string, where: string) =>
    flags[key] === undefined ? [] : [needlessFlag(key, where, flags[key])];
  if (on === 'here') return AWAY_FLAGS.flatMap((key) => needless(key, 'without --on sagemaker'));
  if (!isAway(on)) return [];
  return [
    ...needless('nproc', `with --on ${on}: one process a GPU of each machine`),
    ...(on === 'sagemaker' ? needless('python', 'with --on sagemaker: its image brings the interpreter') : []),
    ...(flags.wait ? needless('detach', 'with --wait') : []),
    ...(on === 'local-sagemaker' ? needless('detach', 'with --on local-sagemaker, which ends with it') : []),
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

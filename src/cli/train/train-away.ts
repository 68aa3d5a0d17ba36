import type { Away } from '../../ops/params/places.js';
import { readParamsToCheck } from '../../ops/params/read.js';
import type { Params } from '../../ops/params/schema.js';
import { refuseOtherRun } from '../../ops/sagemaker/fetch-model.js';
import { type ContainerFormat, previewTraining, type TrainingPreview } from '../../ops/sagemaker/plan.js';
import { submit } from '../../ops/sagemaker/submit.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { type Cloud, withCloud } from '../jobs/cloud.js';
import { fetchResult } from '../jobs/fetch-result.js';
import { followOnTerminal } from '../jobs/follow.js';
import { withLocalService } from '../jobs/local-service.js';
import { note, printJson, warn } from '../output.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';

/** Trains on SageMaker, or in its stand-in on this machine, and fetches what was made as if it had been trained here. */
export async function trainAway(
  where: Away,
  replace: (params: Params) => Params,
  input: CommandInput,
  io: Io,
): Promise<number> {
  const { flags } = input;
  const project = projectFolder(io);
  const { params, warnings, issues } = await readParamsToCheck(project, { trains: true, place: where, replace });
  for (const warning of warnings) warn(io, warning);
  await refuseOtherRun(project, params.mlflow.run_name);
  const preview = (cloud: Cloud) =>
    previewTraining(
      {
        ...{ project, params, issues, signal: io.signal },
        format: (flags.containerFormat ?? 'own') as ContainerFormat,
        today: new Date().toISOString().slice(0, 10),
      },
      cloud.settings,
      cloud.jobs,
      cloud.store,
    );
  const train = (sagemaker?: string) =>
    withCloud(project, io, sagemaker, async (cloud) => run(await preview(cloud), cloud, where, input, io));
  if (flags.dryRun === true)
    return withCloud(project, io, undefined, async (cloud) => tellPreview(await preview(cloud), input, io));
  if (where === 'sagemaker') return train();
  return withLocalService(project, 0, flags.python as string | undefined, io, train);
}

async function run(preview: TrainingPreview, cloud: Cloud, where: Away, input: CommandInput, io: Io): Promise<number> {
  for (const warning of preview.warnings) warn(io, warning);
  if (where === 'sagemaker') note(io, `at most $${preview.cost.at_most ?? '?'}: ${preview.cost.note}`);
  const { name, created } = await submit(preview, cloud.jobs, io.signal);
  note(io, created ? `started the training job ${name}` : `the training job ${name} was started before`);
  if (input.flags.detach === true) {
    note(io, `follow it: t2i jobs logs ${name} --follow; fetch the model when it is done: t2i jobs fetch ${name}`);
    return tellResult({ job: name, created }, input, io);
  }
  try {
    const job = await followOnTerminal(name, cloud, io);
    return tellResult(await fetchResult(projectFolder(io), job, cloud, io), input, io);
  } finally {
    if (io.signal.aborted && where === 'sagemaker') {
      note(io, `the training job ${name} goes on, and so does what it costs`);
      note(io, `come back to it: the same command, or t2i jobs logs ${name} --follow; stop it: t2i jobs stop ${name}`);
    }
  }
}

function tellPreview({ request, cost, warnings }: TrainingPreview, { flags }: CommandInput, io: Io): number {
  for (const warning of warnings) warn(io, warning);
  if (flags.json === true) printJson(io, { request, cost });
  else {
    io.stdout.write(`${JSON.stringify(request, null, 2)}\n`);
    note(io, `nothing was sent; at most $${cost.at_most ?? '?'}: ${cost.note}`);
  }
  return EXIT.ok;
}

import { PLACES } from '../../ops/params/places.js';
import { STRATEGIES } from '../../ops/params/strategies.js';
import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';
import { CONTAINER_FORMATS } from './container-formats.js';

export const train: Command = {
  name: 'train',
  summary: "Train the project's model; the same command goes on where a run was stopped.",
  arguments: [],
  flags: [
    {
      flags: '--strategy <name>',
      description: 'what several processes share (default: training.strategy)',
      sets: ['strategy'],
      values: STRATEGIES,
    },
    { flags: '--nproc <n>', description: 'processes on this machine, one a GPU (default: 1)', sets: ['nproc'] },
    { flags: '--init-from <dir>', description: 'a diffusers folder whose UNet is trained further' },
    { flags: '--run <name>', description: 'name of the run (default: mlflow.run_name)' },
    {
      flags: '--on <place>',
      description: 'here, sagemaker or local-sagemaker (default: pytorch_estimator.train_on)',
      sets: ['on'],
      values: PLACES,
    },
    {
      flags: '--wait',
      description: 'with --on sagemaker: follow the job to its end and fetch the model (the default)',
    },
    { flags: '--detach', description: 'with --on sagemaker: only start the job' },
    { flags: '--spot', description: 'with --on: machines that may be taken away, at a lower price' },
    { flags: '--no-spot', description: 'with --on: machines that stay (default: use_spot_instances of params.yaml)' },
    { flags: '--dry-run', description: 'with --on: check everything, print the request and what it may cost' },
    {
      flags: '--container-format <kind>',
      description: "with --on: own, or toolkit for AWS's training toolkit (default: own)",
      sets: ['containerFormat'],
      values: CONTAINER_FORMATS,
    },
    ...STAGE_FLAGS,
  ],
  examples: [
    't2i train',
    't2i train --nproc 2 --strategy zero2',
    't2i train --init-from ./stable-diffusion --run tuned',
    't2i train --on sagemaker --dry-run',
  ],
  async run(input, io) {
    const { runTrain } = await import('./run-train.js');
    return runTrain(input, io);
  },
};

import { STRATEGIES } from '../../ops/params/strategies.js';
import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const train: Command = {
  name: 'train',
  summary: "Train the project's model; the same command goes on where a run was stopped.",
  arguments: [],
  flags: [
    {
      flags: '--strategy <name>',
      description: 'what several processes share (default: training.strategy)',
      values: STRATEGIES,
    },
    { flags: '--nproc <n>', description: 'processes on this machine, one a GPU (default: 1)' },
    { flags: '--init-from <dir>', description: 'a diffusers folder whose UNet is trained further' },
    { flags: '--run <name>', description: 'name of the run (default: mlflow.run_name)' },
    ...STAGE_FLAGS,
  ],
  examples: [
    't2i train',
    't2i train --nproc 2 --strategy zero2',
    't2i train --init-from ./stable-diffusion --run tuned',
  ],
  async run(input, io) {
    const { runTrain } = await import('./run-train.js');
    return runTrain(input, io);
  },
};

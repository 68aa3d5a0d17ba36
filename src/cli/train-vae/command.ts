import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const trainVae: Command = {
  name: 'train-vae',
  summary: "Fine-tune the autoencoder on the project's images; the same command goes on where a run was stopped.",
  arguments: [],
  flags: STAGE_FLAGS,
  examples: ['t2i train-vae', 't2i train-vae --json'],
  async run(input, io) {
    const { runStageCommand } = await import('../run-project-stage.js');
    return runStageCommand({ stage: 'train_vae_model', trains: true }, input, io);
  },
};

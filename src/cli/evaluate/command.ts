import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const evaluate: Command = {
  name: 'evaluate',
  summary: 'Draw with the promoted model of a project and measure it: samples, scores, an HTML report, the model card.',
  arguments: [],
  flags: STAGE_FLAGS,
  examples: ['t2i evaluate', 't2i evaluate --json'],
  async run(input, io) {
    const { runStageCommand } = await import('../run-project-stage.js');
    return runStageCommand({ stage: 'evaluate_model' }, input, io);
  },
};

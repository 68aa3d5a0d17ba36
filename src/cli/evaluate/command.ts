import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const evaluate: Command = {
  name: 'evaluate',
  summary:
    'Draw with the promoted model of a project and measure it: samples, scores, an HTML report, the model card; refuse one that is worse.',
  arguments: [],
  flags: [
    {
      flags: '--accept <reason>',
      description: 'go on with a model that measures worse than the one promoted before; the report says why',
    },
    ...STAGE_FLAGS,
  ],
  examples: ['t2i evaluate', 't2i evaluate --json', 't2i evaluate --accept "another style"'],
  async run(input, io) {
    const { runEvaluate } = await import('./run-evaluate.js');
    return runEvaluate(input, io);
  },
};

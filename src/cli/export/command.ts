import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const exportModel: Command = {
  name: 'export',
  summary: 'Export the promoted model of a project to ONNX, as a model directory that the SDK runs.',
  arguments: [],
  flags: STAGE_FLAGS,
  examples: ['t2i export', 't2i export --json'],
  async run(input, io) {
    const { runStageCommand } = await import('../run-project-stage.js');
    return runStageCommand({ stage: 'export_model' }, input, io);
  },
};

import { type Command, JSON_FLAG } from '../command.js';

export const params: Command = {
  name: 'params',
  summary: 'Check or show the parameters of a project (params.yaml), or convert an older configuration into one.',
  arguments: [
    {
      name: 'action',
      description: 'check, show or import (default: check)',
      required: false,
      values: ['check', 'show', 'import'],
    },
    { name: 'file', description: 'with import: the older configuration', required: false },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i params check', 't2i params show --json', 't2i params import config/pipeline_config.yaml'],
  async run(input, io) {
    const { runParams } = await import('./run-params.js');
    return runParams(input, io);
  },
};

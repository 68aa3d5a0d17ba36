import { type Command, JSON_FLAG } from '../command.js';

export const config: Command = {
  name: 'config',
  summary: 'Show the defaults that hold here and where each comes from: t2i.config.json, package.json or the model.',
  arguments: [],
  flags: [JSON_FLAG],
  examples: ['t2i config', 't2i config --json'],
  async run(input, io) {
    const { showConfig } = await import('./show-config.js');
    return showConfig(input, io);
  },
};

import { type Command, JSON_FLAG } from '../command.js';

export const init: Command = {
  name: 'init',
  summary: 'Make a project that trains a model of your own: parameters, stages for DVC, a notebook.',
  arguments: [
    { name: 'folder', description: 'a new or empty folder; its name becomes the name of the model', required: true },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i init flowers'],
  async run(input, io) {
    const { runInit } = await import('./run-init.js');
    return runInit(input, io);
  },
};

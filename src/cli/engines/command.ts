import { type Command, JSON_FLAG } from '../command.js';

export const engines: Command = {
  name: 'engines',
  summary: 'List the engines that were built, show what is in one, or remove those that nothing can use any more.',
  arguments: [
    {
      name: 'action',
      description: 'list, inspect or prune (default: list)',
      required: false,
      values: ['list', 'inspect', 'prune'],
    },
    {
      name: 'file',
      description: 'with inspect: an engine file, or the start of a name from the list',
      required: false,
    },
  ],
  flags: [{ flags: '--dry-run', description: 'with prune: only say what would be removed' }, JSON_FLAG],
  examples: ['t2i engines', 't2i engines inspect unet-1f0c', 't2i engines prune --dry-run'],
  async run(input, io) {
    const { runEngines } = await import('./run-engines.js');
    return runEngines(input, io);
  },
};

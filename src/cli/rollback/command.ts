import { type Command, JSON_FLAG } from '../command.js';

export const rollback: Command = {
  name: 'rollback',
  summary: 'Go back to a version of a project that was promoted before.',
  arguments: [
    {
      name: 'version',
      description: 'number of the version, as t2i history shows it (default: the one before)',
      required: false,
    },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i rollback', 't2i rollback 3'],
  async run(input, io) {
    const { runRollback } = await import('./run-rollback.js');
    return runRollback(input, io);
  },
};

import { type Command, JSON_FLAG } from '../command.js';

export const history: Command = {
  name: 'history',
  summary: 'Show what was promoted in a project, when, from which run, and what it was rolled back to.',
  arguments: [],
  flags: [JSON_FLAG],
  examples: ['t2i history', 't2i history --json'],
  async run(input, io) {
    const { runHistory } = await import('./run-history.js');
    return runHistory(input, io);
  },
};

import { type Command, JSON_FLAG } from '../command.js';

export const promote: Command = {
  name: 'promote',
  summary: 'Promote the best finished run of a project where it is better than the model that is promoted.',
  arguments: [],
  flags: [
    { flags: '--dry-run', description: 'only say what would happen' },
    { flags: '--force <reason>', description: 'promote the best run though it is no better or cannot be compared' },
    { flags: '--local', description: 'look for runs in this project alone, not on the tracking server' },
    JSON_FLAG,
  ],
  examples: ['t2i promote', 't2i promote --dry-run --json', 't2i promote --force "the validation set was mended"'],
  async run(input, io) {
    const { runPromote } = await import('./run-promote.js');
    return runPromote(input, io);
  },
};

import { type Command, JSON_FLAG } from '../command.js';

export const publish: Command = {
  name: 'publish',
  summary: 'Copy the promoted model of a project, with its card and evaluation, to where others fetch it.',
  arguments: [],
  flags: [
    { flags: '--to <folder>', description: "a folder (default: models/NAME below the project's data.remote)" },
    JSON_FLAG,
  ],
  examples: ['t2i publish', 't2i publish --to /srv/models/flowers'],
  async run(input, io) {
    const { runPublish } = await import('./run-publish.js');
    return runPublish(input, io);
  },
};

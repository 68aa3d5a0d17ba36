import { type Command, JSON_FLAG } from '../command.js';

export const pull: Command = {
  name: 'pull',
  summary: 'Fetch a model of the Hugging Face Hub, or what is missing of it, and check it against its hashes.',
  arguments: [
    { name: 'model', description: 'OWNER/NAME, or OWNER/NAME@REVISION: a branch, a tag or a commit', required: true },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i pull OWNER/NAME', 't2i pull OWNER/NAME@v1', 't2i "a red flower" --model OWNER/NAME'],
  async run(input, io) {
    const { runPull } = await import('./run-pull.js');
    return runPull(input, io);
  },
};

import { type Command, JSON_FLAG } from '../command.js';

export const publish: Command = {
  name: 'publish',
  summary:
    'Publish the promoted model of a project: to the Hugging Face Hub, or into a folder; or a Space that shows it.',
  arguments: [],
  flags: [
    {
      flags: '--repo <owner/name>',
      description: 'repository of the Hub (default: huggingface.model_repo of params.yaml)',
    },
    { flags: '--tag <name>', description: 'name for what is published (default: the run, and a hash of the model)' },
    { flags: '--public', description: 'let everybody see a repository or Space that is made (default: nobody else)' },
    {
      flags: '--to <folder>',
      description:
        "a folder instead (default, where no repository is named: models/NAME below the project's data.remote)",
    },
    {
      flags: '--space [owner/name]',
      description: 'publish a Space instead, and wait until it runs (default: huggingface.space_repo of params.yaml)',
    },
    {
      flags: '--folder <dir>',
      description: 'with --space: its folder, with Dockerfile and README.md (default: space)',
    },
    {
      flags: '--variables <names>',
      description: 'with --space: names of environment variables, separated by commas, that it gets and everybody sees',
    },
    { flags: '--secrets <names>', description: 'with --space: the same of those that nobody sees' },
    JSON_FLAG,
  ],
  examples: [
    't2i publish',
    't2i publish --repo OWNER/NAME',
    't2i publish --space OWNER/NAME --secrets HF_TOKEN',
    't2i publish --to /srv/models/flowers',
  ],
  async run(input, io) {
    const { runPublish } = await import('./run-publish.js');
    return runPublish(input, io);
  },
};

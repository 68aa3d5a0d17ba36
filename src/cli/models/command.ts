import { type Command, JSON_FLAG } from '../command.js';

export const models: Command = {
  name: 'models',
  summary:
    'List the models that can be named here: those that ship, the promoted one of a project, those of the Hub; or remove one.',
  arguments: [
    { name: 'action', description: 'list or remove (default: list)', required: false, values: ['list', 'remove'] },
    { name: 'model', description: 'with remove: OWNER/NAME of a model that was fetched from the Hub', required: false },
  ],
  flags: [JSON_FLAG],
  examples: ['t2i models', 't2i models --json', 't2i models remove OWNER/NAME'],
  async run(input, io) {
    const { runModels } = await import('./run-models.js');
    return runModels(input, io);
  },
};

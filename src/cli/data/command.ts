import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const data: Command = {
  name: 'data',
  summary:
    'Import images with captions into a project, caption them, prepare them for training, and copy them elsewhere.',
  arguments: [
    {
      name: 'action',
      description: 'import, caption, embed, latents, check or push (default: check)',
      required: false,
      values: ['import', 'caption', 'embed', 'latents', 'check', 'push'],
    },
    {
      name: 'source',
      description: 'with import: a folder of images with captions, a WebDataset tar, or a folder of Oxford 102 Flowers',
      required: false,
    },
  ],
  flags: [
    { flags: '--strict', description: 'with import: import nothing where an image cannot be taken' },
    {
      flags: '--class-captions',
      description: 'with import: caption flowers of Oxford 102 by the names of their kinds',
    },
    { flags: '--min-side <pixels>', description: 'with import: leave out smaller images (default: 64)' },
    { flags: '--overwrite', description: 'with caption: write captions that are there anew' },
    {
      flags: '--archive <kind>',
      description: 'with push to S3: shards, or zip for one file with images and captions alone (default: shards)',
      sets: ['archive'],
      values: ['shards', 'zip'],
    },
    ...STAGE_FLAGS,
  ],
  examples: ['t2i data import ~/Pictures/flowers', 't2i data caption', 't2i data embed', 't2i data check --json'],
  async run(input, io) {
    const { runData } = await import('./run-data.js');
    return runData(input, io);
  },
};

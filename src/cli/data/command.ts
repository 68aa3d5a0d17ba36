import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';
import { PLACES } from './places.js';

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
    {
      flags: '--on <place>',
      description: 'with caption, embed and latents: here, or ray, the actors of Ray Data (default: here)',
      values: PLACES,
    },
    {
      flags: '--ray-address <address>',
      description:
        "with --on ray: HOST:PORT of a cluster, auto for this machine's, local for one of its own (default: local)",
    },
    {
      flags: '--ray-workers <n>',
      description: 'with --on ray: processes with the model (default: one a GPU; without GPUs, one a machine)',
    },
    ...STAGE_FLAGS,
  ],
  examples: [
    't2i data import ~/Pictures/flowers',
    't2i data caption',
    't2i data embed --on ray --ray-address 10.0.0.5:6379',
    't2i data check --json',
  ],
  async run(input, io) {
    const { runData } = await import('./run-data.js');
    return runData(input, io);
  },
};

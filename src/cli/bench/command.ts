import { type Command, type Flag, JSON_FLAG, longName } from '../command.js';
import { GENERATE_FLAGS } from '../generate/flags.js';
import { LOAD_FLAGS } from '../load-flags.js';

const FLAGS: readonly Flag[] = [
  {
    flags: '--backend <list>',
    description: 'backends to measure, for example onnxruntime,tensorrt (default: all, every one that runs here)',
    sets: ['backend'],
  },
  { flags: '--rounds <n>', description: 'how often each case is measured, 1 to 1000 (default: 5)' },
  {
    flags: '--concurrency <list>',
    description: 'requests to send at once, each 1 to 256, for example 1,4,16; 1 is always measured (default: 1,4)',
  },
  {
    flags: '--against <library>',
    description:
      'diffusers: also draw with PyTorch, by the same weights, seed, sampler and threads, where the trainer is installed',
    values: ['diffusers'],
  },
  { flags: '--serve', description: 'also ask the same over HTTP, of a t2i serve in a process of its own' },
  { flags: '--queue <n>', description: 'with --serve: requests that may wait there; others are refused (default: 64)' },
  {
    flags: '--python <path>',
    description:
      "interpreter with PyTorch, for --backend pytorch, and with diffusers, for --against (default: the trainer's)",
  },
  { flags: '--html <file>', description: 'also write a page with plots; a file of that name is replaced' },
];

/** These mean what they mean for `t2i generate`. */
const SHARED = ['--preset', '--size', '--steps'];

export const bench: Command = {
  name: 'bench',
  summary: 'Measure on this machine: an image, a UNet step, the first image of a process, images a second, memory.',
  arguments: [],
  flags: [
    ...GENERATE_FLAGS.filter((flag) => SHARED.includes(longName(flag))),
    ...FLAGS,
    ...LOAD_FLAGS.filter((flag) => !['--backend', '--python'].includes(longName(flag))),
    JSON_FLAG,
  ],
  examples: [
    't2i bench',
    't2i bench --steps 10 --rounds 9 --concurrency 1,8 --html bench.html',
    't2i bench --serve --concurrency 1,8,32 --queue 16',
    't2i bench --against diffusers --json',
  ],
  async run(input, io) {
    const { runBench } = await import('./run-bench.js');
    return runBench(input, io);
  },
};

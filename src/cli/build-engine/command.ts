import { type Command, type Flag, JSON_FLAG } from '../command.js';

const FLAGS: readonly Flag[] = [
  {
    flags: '--runtime <name>',
    description: 'tensorrt or tensorrt-rtx (default: the best that can build)',
    sets: ['runtime'],
    values: ['tensorrt', 'tensorrt-rtx'],
  },
  {
    flags: '--profile <shapes>',
    description:
      "smallest and largest BATCHxHEIGHTxWIDTH in latent pixels, for example 1x16x16,4x16x16; with a third in between, the most usual one (default: one to four images of the model's size)",
  },
  { flags: '--batch <range>', description: 'images at once, for example 1..4; instead of --profile' },
  { flags: '--size <WxH>', description: "pixels, for example 128x128 (default: the model's); instead of --profile" },
  {
    flags: '--compute <list>',
    description: 'compute capabilities to build for, for example 75,86,89; tensorrt-rtx alone, needs no GPU',
    sets: ['computeCapabilities'],
  },
  { flags: '--device <n>', description: 'GPU to build for (default: 0)', sets: ['device'] },
  {
    flags: '--timing-cache <file>',
    description: 'what earlier builds of tensorrt measured: read if it is there, then written',
  },
  { flags: '--out <dir>', description: 'folder for the engines (default: the engine cache, see t2i engines)' },
  { flags: '--dry-run', description: 'only say what would be built' },
  { flags: '--optional', description: 'end with 0 where this machine cannot build engines, and say why' },
  { flags: '--report <file>', description: 'write what was built, or why nothing was, to a JSON file' },
  JSON_FLAG,
];

export const buildEngine: Command = {
  name: 'build-engine',
  summary: 'Build TensorRT engines ahead of time; otherwise the first generate does.',
  arguments: [
    {
      name: 'model',
      description: 'model directory, name of a model that ships, or OWNER/NAME of the Hub',
      required: true,
    },
  ],
  flags: FLAGS,
  examples: [
    't2i build-engine emoji-128',
    't2i build-engine ./my-model --batch 1..8 --size 256',
    't2i build-engine ./my-model --profile 1x16x16,2x16x16,8x32x32 --timing-cache timings.bin',
    't2i build-engine ./my-model --runtime tensorrt-rtx --compute 75,86,89 --out engines',
  ],
  async run(input, io) {
    const { runBuild } = await import('./run-build.js');
    return runBuild(input, io);
  },
};

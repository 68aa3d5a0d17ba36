import type { Command } from '../command.js';
import { STAGE_FLAGS } from '../stage-flags.js';

export const model: Command = {
  name: 'model',
  summary: 'Pack a model folder into one file with hashes, unpack one, or convert an old pickle to safetensors.',
  arguments: [
    {
      name: 'action',
      description: 'pack, unpack or convert-pickle',
      required: true,
      values: ['pack', 'unpack', 'convert-pickle'],
    },
    { name: 'source', description: 'a folder to pack, a packed file, or a pickle', required: true },
    {
      name: 'target',
      description: 'what is written (default: SOURCE.zip, SOURCE without .zip, SOURCE with .safetensors)',
      required: false,
    },
  ],
  flags: [
    { flags: '--i-trust-this-file', description: 'with convert-pickle: reading a pickle may run code that is in it' },
    ...STAGE_FLAGS,
  ],
  examples: [
    't2i model pack saved_models/onnx_models flowers.zip',
    't2i model unpack flowers.zip ./flowers',
    't2i model convert-pickle diffuser.pth --i-trust-this-file',
  ],
  async run(input, io) {
    const { runModel } = await import('./run-model.js');
    return runModel(input, io);
  },
};

import type { Command } from '../command.js';
import { GENERATE_FLAGS } from './flags.js';

export const generate: Command = {
  name: 'generate',
  summary: 'Turn a sentence into images.',
  arguments: [
    { name: 'prompt', description: 'what the image should show; - reads it from standard input', required: false },
  ],
  flags: GENERATE_FLAGS,
  takesDefaults: true,
  examples: [
    't2i generate "a red apple on a blue background" -o apple.png',
    't2i generate "a red apple" -n 4 --seed 7 -o apples/',
    't2i generate "a red apple" --seeds 1,2,3 --sampler dpmpp-2m --sigmas karras --steps 20 -o \'apple-{seed}.webp\'',
    't2i generate --batch prompts.jsonl -o images/ --json',
  ],
  async run(input, io) {
    const { generateImages } = await import('./generate-images.js');
    return generateImages(input, io);
  },
};

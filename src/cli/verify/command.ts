import { printable } from '../../printable.js';
import type { Verification } from '../../verify.js';
import { type Command, JSON_FLAG } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { LOAD_FLAGS, readLoadFlags, toNumber } from '../load-flags.js';
import { paint, printJson } from '../output.js';
import { formatDifference } from '../quantities.js';

export const verify: Command = {
  name: 'verify',
  summary: 'Make an image again from its receipt and say whether it is the same: exact, within tolerance or different.',
  arguments: [{ name: 'image', description: 'a PNG, JPEG or WebP image that t2i made', required: true }],
  flags: [
    ...LOAD_FLAGS,
    {
      flags: '--max-work <n>',
      description:
        'most pixels times steps that a receipt may ask for; fewer steps than 64 count as 64 (default: 67108864)',
      sets: ['maxWork'],
    },
    JSON_FLAG,
  ],
  takesDefaults: true,
  examples: [
    't2i verify apple.png',
    't2i verify apple.png --model ./my-model --json',
    't2i verify poster.png --max-work 300000000',
  ],
  async run({ args, flags }, io) {
    const [{ parseVerifyOptions, verifyWith }, { readImage }, { loadPipeline }] = await Promise.all([
      import('../../verify.js'),
      import('../../verify/image-file.js'),
      import('../load-pipeline.js'),
    ]);
    const load = readLoadFlags(flags);
    const { maxWork } = parseVerifyOptions({ ...load, maxWork: toNumber(flags.maxWork) as number | undefined });
    const image = await readImage(args[0] as string, maxWork);
    await using pipeline = await loadPipeline(load, io);
    const { receipt: _, ...result } = await verifyWith(pipeline, image, io.signal);
    if (flags.json) printJson(io, result);
    else print(result, io);
    return result.verdict === 'different' ? EXIT.failure : EXIT.ok;
  },
};

function print({ verdict, maxAbs, meanAbs, psnr, encodedAlike, reasons }: Omit<Verification, 'receipt'>, io: Io): void {
  io.stdout.write(`${paint(io, io.stdout, verdict === 'different' ? 'red' : 'green', verdict)}\n`);
  // Null together: where the images could not be compared.
  if (maxAbs !== null) io.stdout.write(`${formatDifference(maxAbs, meanAbs as number, psnr as number)}\n`);
  if (encodedAlike !== null) {
    const { quality, ...apart } = encodedAlike;
    const numbers = formatDifference(apart.maxAbs, apart.meanAbs, apart.psnr);
    io.stdout.write(`encoded alike, with quality ${quality}: ${numbers}\n`);
  }
  for (const reason of reasons) io.stdout.write(`${printable(reason)}\n`);
}

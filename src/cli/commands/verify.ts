import { type Command, JSON_FLAG, LOAD_FLAGS } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { readLoadFlags } from '../generate/flags.js';
import { paint, printable, printJson } from '../output.js';
import { formatDifference } from '../quantities.js';

export const verify: Command = {
  name: 'verify',
  summary:
    'Make a picture again from its receipt and say whether it is the same: exact, within tolerance or different.',
  arguments: [{ name: 'image', description: 'a PNG, JPEG or WebP picture that t2i made', required: true }],
  flags: [...LOAD_FLAGS, JSON_FLAG],
  examples: ['t2i verify apple.png', 't2i verify apple.png --model ./my-model --json'],
  async run({ args, flags }, io) {
    const [{ readPicture, verifyWith }, { loadPipeline }] = await Promise.all([
      import('../../verify.js'),
      import('../load-pipeline.js'),
    ]);
    const picture = await readPicture(args[0] as string);
    await using pipeline = await loadPipeline(readLoadFlags(flags), io);
    const result = await verifyWith(pipeline, picture, io.signal);
    const { verdict, maxAbs, meanAbs, psnr, reasons } = result;
    if (flags.json) printJson(io, { verdict, maxAbs, meanAbs, psnr, reasons });
    else {
      io.stdout.write(`${paint(io, io.stdout, verdict === 'different' ? 'red' : 'green', verdict)}\n`);
      if (maxAbs !== null && meanAbs !== null && psnr !== null) {
        io.stdout.write(`${formatDifference(maxAbs, meanAbs, psnr)}\n`);
      }
      for (const reason of reasons) io.stdout.write(`${printable(reason)}\n`);
    }
    return verdict === 'different' ? EXIT.failure : EXIT.ok;
  },
};

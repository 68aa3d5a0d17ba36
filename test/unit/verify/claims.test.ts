import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeImage } from '../../../src/image/encode.js';
import type { GeneratedImage } from '../../../src/image/generated-image.js';
import { insertPngChunks, readPngChunks } from '../../../src/image/png.js';
import type { Receipt } from '../../../src/image/receipt.js';
import { verifyImage } from '../../../src/verify.js';
import { memoryPipeline } from '../../support/memory-session.js';

const { pipeline, session } = memoryPipeline();
let image: GeneratedImage;
beforeAll(async () => {
  const request = { prompt: 'a red apple', steps: 3, seed: 7, sampler: 'ddim', eta: 0.3 };
  image = (await pipeline.generate(request)).images[0] as GeneratedImage;
});

const verify = async (receipt: Receipt) => verifyImage(await encodeImage(image, receipt), pipeline);
const about = (topic: string) => expect.arrayContaining([expect.stringMatching(`^${topic}: `)]);

describe('the file of an image', () => {
  it('says different of what viewers would not show so: turned, animated, transparent, in other colours', async () => {
    const png = Buffer.from(await encodeImage(image, image.receipt));
    const { width, height } = image;
    const turned = await sharp(png).keepMetadata().withMetadata({ orientation: 3 }).webp({ lossless: true }).toBuffer();
    const veil = { create: { width, height, channels: 4, background: '#00000080' } } as const;
    const transparent = await sharp(png)
      .keepMetadata()
      .joinChannel(await sharp(veil).extractChannel(3).raw().toBuffer(), {
        raw: { width, height, channels: 1 },
      })
      .png()
      .toBuffer();
    const animation = insertPngChunks(png, [{ type: 'acTL', data: Buffer.alloc(8) }]);
    expect(await verifyImage(turned, pipeline)).toMatchObject({ verdict: 'different', reasons: about('shown') });
    expect(await verifyImage(animation, pipeline)).toMatchObject({ verdict: 'different', reasons: about('shown') });
    expect(await verifyImage(transparent, pipeline)).toMatchObject({
      verdict: 'different',
      reasons: about('channels'),
    });
  });
});

describe('the receipt of an image', () => {
  it.each<[string, object, string]>([
    ['a sampler that does not exist', { plan: { sampler: 'magic', eta: null } }, 'plan.sampler'],
    ['more steps than there are', { plan: { steps: 999_999 } }, 'plan.steps'],
    ['sigmas that the sampler does not take', { plan: { sigmas: 'karras' } }, 'plan.sigmas'],
    ['an eta that the sampler does not take', { plan: { sampler: 'euler' } }, 'plan.eta'],
  ])('is at fault where it asks for %s', async (_, { plan }: { plan?: object }, option) => {
    const receipt = { ...image.receipt, plan: { ...image.receipt.plan, ...plan } };
    const png = await encodeImage(image, receipt);
    await expect(verifyImage(png, { pipeline, maxWork: 2 ** 40 })).rejects.toMatchObject({
      code: 'RECEIPT_INVALID',
      issues: [{ option }],
    });
  });

  it('is at fault where it names a width that the model cannot draw, and the file has it', async () => {
    const odd = { rgb: new Uint8Array(33 * 32 * 3), width: 33, height: 32 };
    const png = await encodeImage(odd, { ...image.receipt, width: 33, height: 32 });
    await expect(verifyImage(png, pipeline)).rejects.toMatchObject({
      code: 'RECEIPT_INVALID',
      issues: [{ option: 'width', received: '33' }],
    });
  });

  it('names another model, and is not held against what this one can do', async () => {
    const hashes = { 'vae/model.onnx': '1'.repeat(64), ...image.receipt.model.hashes, 'a.onnx': '0'.repeat(64) };
    const plan = { ...image.receipt.plan, steps: 5000 };
    const png = await encodeImage(image, { ...image.receipt, plan, model: { name: 'larger', hashes } });
    const { reasons } = await verifyImage(png, { pipeline, maxWork: 2 ** 40 });
    expect(reasons).toEqual([
      expect.stringMatching(/^model: different model: the receipt names "larger"/),
      'model: a.onnx is 000000000000 in the receipt and no such file here',
      'model: vae/model.onnx is 111111111111 in the receipt and no such file here',
    ]);
  });

  it('may name files as it likes, as long as they are names', async () => {
    const hashes = { constructor: '0'.repeat(64), toString: '1'.repeat(64) };
    const result = await verify({
      ...image.receipt,
      model: { name: 'formula', hashes } as unknown as Receipt['model'],
    });
    expect(result.verdict).toBe('different');
    expect(result.reasons).toContain('model: constructor is 000000000000 in the receipt and no such file here');
  });

  it('refuses an image without one', async () => {
    await expect(verifyImage(await encodeImage(image, null), pipeline)).rejects.toMatchObject({
      code: 'RECEIPT_MISSING',
    });
  });
});

describe('before anything is drawn', () => {
  const drawn = async (act: () => Promise<unknown>) => {
    const before = session.jobs.length;
    await act();
    return session.jobs.length - before;
  };
  const claiming = (fields: Partial<Receipt>, steps = 3) =>
    ({ ...image.receipt, ...fields, plan: { ...image.receipt.plan, steps } }) as Receipt;
  const flat = (side: number, receipt: Receipt) =>
    encodeImage({ rgb: new Uint8Array(side * side * 3), width: side, height: side }, receipt);

  /** The file with rubbish in place of its pixels, so that decoding it is an error. */
  const hollow = (png: Uint8Array) => {
    const texts = [...readPngChunks(png)].filter(({ type }) => /^(tEXt|iTXt)$/.test(type));
    const bare = Buffer.concat([png.subarray(0, 8 + 25), png.subarray(png.length - 12)]);
    return insertPngChunks(bare, [...texts, { type: 'IDAT', data: Buffer.from('rubbish') }]);
  };

  it.each([
    { width: 2048, height: 2048 },
    { width: 2048, height: 8 },
    { width: 8, height: 2048 },
  ])('sizes are compared, whatever work is claimed, and no pixel is decoded: $width x $height', async (size) => {
    const tiny = hollow(await flat(8, claiming(size, 1000)));
    const different = { verdict: 'different', reasons: about('size') };
    expect(await drawn(async () => expect(await verifyImage(tiny, pipeline)).toMatchObject(different))).toBe(0);
  });

  it('plans are compared', async () => {
    const other = await encodeImage(image, claiming({}, 4));
    expect(
      await drawn(async () => expect(await verifyImage(other, pipeline)).toMatchObject({ verdict: 'different' })),
    ).toBe(0);
  });

  it('the work is held against a budget, which can be raised', async () => {
    const large = await flat(2048, claiming({ width: 2048, height: 2048 }, 1));
    const slow = await flat(512, claiming({ width: 512, height: 512 }, 1000));
    const refused: [Uint8Array, string, number][] = [
      [large, '2048x2048 pixels times 1 step, counted as 64', 2048 * 2048 * 64],
      [hollow(large), '2048x2048 pixels times 1 step, counted as 64', 2048 * 2048 * 64],
      [
        await flat(2048, claiming({ width: 2048, height: 2048 }, 64)),
        '2048x2048 pixels times 64 steps',
        2048 * 2048 * 64,
      ],
      [slow, '512x512 pixels times 1000 steps', 512 * 512 * 1000],
    ];
    for (const [file, counted, work] of refused) {
      expect(
        await drawn(() =>
          expect(verifyImage(file, pipeline)).rejects.toMatchObject({
            code: 'BUDGET_EXCEEDED',
            message: `The receipt asks for ${counted}: a work of ${work}, more than ${2 ** 26}`,
            hint: expect.stringContaining(`--max-work ${work}, `),
          }),
        ),
      ).toBe(0);
    }
    const work = 32 * 32 * 64;
    const png = await encodeImage(image, image.receipt);
    expect(await verifyImage(png, { pipeline, maxWork: work })).toMatchObject({ verdict: 'exact' });
    await expect(verifyImage(png, { pipeline, maxWork: work - 1 })).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
  });
});

describe('the options', () => {
  it('are refused all at once, and beside an open pipeline but for a signal', async () => {
    const png = await encodeImage(image, image.receipt);
    const mistakes = { maxWork: 0.5, threads: 0, pipeline: 7, modle: 'x' } as object;
    await expect(verifyImage(png, mistakes)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: ['maxWork', 'threads', 'pipeline', 'modle'].map((option) => ({ option })),
    });
    await expect(verifyImage(png, { pipeline, model: 'emoji-128' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'model', expected: 'nothing beside an open pipeline' }],
    });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(verifyImage(png, { pipeline, signal })).rejects.toThrow('enough');
    await expect(verifyImage(7 as never, pipeline)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('give the error of a pipeline that is closed as it is', async () => {
    const { pipeline: closed } = memoryPipeline();
    const png = await encodeImage(image, image.receipt);
    await closed.close();
    await expect(verifyImage(png, closed)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('leave a pipeline open that was given', async () => {
    await verify(image.receipt);
    expect(session.closes).toBe(0);
  });
});

import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeImage } from '../../src/image/encode.js';
import type { GeneratedImage } from '../../src/image/generated-image.js';
import { hashArrays, type Receipt } from '../../src/image/receipt.js';
import { TOLERANCE, verifyImage } from '../../src/verify.js';
import { memoryPipeline } from '../support/memory-session.js';

const { pipeline } = memoryPipeline();
let image: GeneratedImage;
beforeAll(async () => {
  const request = { prompt: 'a red apple', negativePrompt: 'blurry', steps: 3, seed: 7, sampler: 'ddim', eta: 0.3 };
  image = (await pipeline.generate(request)).images[0] as GeneratedImage;
});

/** Encodes an image with pixels and a receipt as told, and verifies it. */
async function verify(
  receipt: Receipt,
  options: { format?: 'png' | 'jpeg' | 'webp'; quality?: number } = {},
  rgb = image.rgb,
) {
  const { width, height } = image;
  return verifyImage(await encodeImage({ rgb, width, height }, receipt, options), pipeline);
}

const edited = (change: (rgb: Uint8Array) => void) => {
  const rgb = image.rgb.slice();
  change(rgb);
  return rgb;
};
const black = new Uint8Array(32 * 32 * 3);
const about = (topic: string) => expect.arrayContaining([expect.stringMatching(`^${topic}: `)]);

describe('verify', () => {
  it('says exact of an untouched PNG', async () => {
    expect(await verify(image.receipt)).toEqual({
      verdict: 'exact',
      maxAbs: 0,
      meanAbs: 0,
      blockMeanAbs: 0,
      psnr: Infinity,
      encodedAlike: null,
      reasons: [],
      receipt: image.receipt,
    });
  });

  const LOSSY = (['jpeg', 'webp'] as const).flatMap((format) =>
    [1, 30, 80, 90, 91, 100].map((quality) => [format, quality] as const),
  );
  it.each(LOSSY)('says within tolerance at best of a %s of quality %i, which it finds', async (format, quality) => {
    const kept = await verify(image.receipt, { format, quality });
    expect(kept).toMatchObject({ verdict: 'within tolerance', encodedAlike: { maxAbs: 0 } });
    expect(kept.reasons).toEqual(about('format'));
    // The lowest qualities of a format may be one and the same to the encoder.
    if (quality > 1) expect(kept.encodedAlike?.quality).toBe(quality);
    expect(await verify(image.receipt, { format, quality }, black)).toMatchObject({ verdict: 'different' });
  });

  it.each(LOSSY)('says different of a square that was painted into a %s of quality %i', async (format, quality) => {
    const painted = edited((rgb) => {
      for (let y = 9; y < 19; y++) rgb.fill(0, (y * image.width + 9) * 3, (y * image.width + 19) * 3);
    });
    const result = await verify(image.receipt, { format, quality }, painted);
    expect(result).toMatchObject({ verdict: 'different', reasons: about('pixels') });
    expect(result.reasons.join()).toMatch(/levels on average in one block of 8x8 pixels, more than/);
    // A WebP encoder takes other steps for other pixels.
    const apart = Math.abs((result.encodedAlike?.quality as number) - quality);
    expect(apart).toBeLessThanOrEqual(format === 'jpeg' ? 0 : 1);
  });

  it('says exact of a lossless WebP, and different where a bit of it was changed', async () => {
    const png = Buffer.from(await encodeImage(image, image.receipt));
    const webp = await sharp(png).keepMetadata().webp({ lossless: true }).toBuffer();
    expect(await verifyImage(webp, pipeline)).toMatchObject({ verdict: 'exact', encodedAlike: null });
  });

  it('says exact of opaque alpha, of 16 bits and of a colour profile that changes nothing', async () => {
    const png = Buffer.from(await encodeImage(image, image.receipt));
    for (const variant of [
      sharp(png).keepMetadata().ensureAlpha().png(),
      sharp(png).keepMetadata().toColourspace('rgb16').png(),
      sharp(png).keepMetadata().withIccProfile('srgb').png(),
    ]) {
      expect(await verifyImage(await variant.toBuffer(), { pipeline })).toMatchObject({ verdict: 'exact' });
    }
  });

  it('says different of a PNG in which one bit of one pixel was changed', async () => {
    const rgb = edited((pixels) => {
      pixels[100] = (pixels[100] as number) ^ 1;
    });
    const result = await verify(image.receipt, {}, rgb);
    expect(result).toMatchObject({ verdict: 'different', maxAbs: 1, reasons: about('pixels') });
  });

  it('allows what other processors round otherwise, and no more', async () => {
    const { meanAbs, blockMeanAbs, maxAbs } = TOLERANCE.lossless;
    const shifted = async (levels: number, every: number, count = Infinity) => {
      const rgb = edited((pixels) => {
        for (let i = 0; i < Math.min(pixels.length, count * every); i += every) {
          pixels[i] = (pixels[i] as number) + levels;
        }
      });
      return verify({ ...image.receipt, rgbSha256: hashArrays(rgb) }, {}, rgb);
    };
    expect(await shifted(1, Math.ceil(1 / meanAbs))).toMatchObject({ verdict: 'within tolerance', maxAbs: 1 });
    expect(await shifted(1, Math.floor(1 / meanAbs))).toMatchObject({ verdict: 'different', reasons: about('pixels') });
    expect(await shifted(maxAbs, 1, 5)).toMatchObject({ verdict: 'within tolerance', maxAbs });
    expect(await shifted(maxAbs + 1, 1, 5)).toMatchObject({ verdict: 'different', maxAbs: maxAbs + 1 });
    // One block of 8x8 pixels, where the mean over the whole image is far below its bound.
    const block = (levels: number) =>
      edited((rgb) => {
        for (let y = 10; y < 18; y++) {
          for (let i = (y * 32 + 10) * 3; i < (y * 32 + 18) * 3; i++) rgb[i] = (rgb[i] as number) + levels;
        }
      });
    const [few, many] = [block(blockMeanAbs - 1), block(blockMeanAbs + 2)];
    expect(await verify({ ...image.receipt, rgbSha256: hashArrays(few) }, {}, few)).toMatchObject({
      verdict: 'within tolerance',
    });
    expect(await verify({ ...image.receipt, rgbSha256: hashArrays(many) }, {}, many)).toMatchObject({
      verdict: 'different',
    });
  });

  it.each<[string, object, string]>([
    ['seed', { seed: 8 }, 'noise'],
    ['steps', { plan: { steps: 4 } }, 'plan'],
    ['sampler', { plan: { sampler: 'euler', eta: null } }, 'plan'],
    ['eta', { plan: { eta: 0.31 } }, 'plan'],
    ['prompt', { prompt: 'a blue apple' }, 'pixels'],
    ['negative prompt', { negativePrompt: '' }, 'pixels'],
    ['guidance', { guidanceScale: 9 }, 'pixels'],
    ['size', { width: 48, height: 48 }, 'size'],
    ['hash of the noise', { noiseSha256: '0'.repeat(64) }, 'noise'],
    ['hash of the pixels', { rgbSha256: '0'.repeat(64) }, 'pixels'],
    ['hash of the plan', { plan: { sha256: '0'.repeat(64) } }, 'plan'],
  ])(
    'says different where the receipt was given another %s, and why',
    async (_, { plan, ...change }: { plan?: object }, topic) => {
      const receipt = { ...image.receipt, ...change, plan: { ...image.receipt.plan, ...plan } };
      expect(await verify(receipt)).toMatchObject({ verdict: 'different', reasons: about(topic) });
    },
  );

  it('says different of a JPEG with the receipt of another seed', async () => {
    expect(await verify({ ...image.receipt, seed: 8 }, { format: 'jpeg' })).toMatchObject({
      verdict: 'different',
      reasons: about('noise'),
    });
  });

  it('names each file of the model that is another, and does not compare', async () => {
    const hashes = { 'unet/model.onnx': '0'.repeat(64), 'vae_decoder/model.onnx': '1'.repeat(64) };
    const result = await verify({ ...image.receipt, model: { name: 'other', hashes } });
    expect(result).toMatchObject({ verdict: 'different', maxAbs: null, meanAbs: null, psnr: null });
    expect(result.reasons).toEqual([
      expect.stringMatching(
        /^model: different model: the receipt names "other" \([0-9a-f]{10}\), this is "formula" \([0-9a-f]{10}\); give/,
      ),
      expect.stringMatching(/^model: unet\/model\.onnx is 000000000000 in the receipt and [0-9a-f]{12} here$/),
      'model: vae_decoder/model.onnx is 111111111111 in the receipt and no such file here',
    ]);
    const none = await verify({ ...image.receipt, model: { name: 'other', hashes: {} } });
    expect(none.reasons.slice(1)).toEqual([
      expect.stringMatching(/^model: unet\/model\.onnx is no such file in the receipt and [0-9a-f]{12} here$/),
    ]);
  });

  it('says exact of an image that another version or backend made alike, and mentions it', async () => {
    const receipt = { ...image.receipt, sdk: '@t2i/sdk 0.0.1', backend: { name: 'tensorrt', runtime: 'TensorRT 10' } };
    expect(await verify(receipt)).toMatchObject({
      verdict: 'exact',
      reasons: [
        'backend: tensorrt (TensorRT 10) in the receipt, memory (formula 1.0) here',
        expect.stringMatching(/^version: /),
      ],
    });
  });
});

describe('what sharp keeps of the metadata of a PNG', () => {
  const KEPT: [string, (kept: Sharp) => Sharp][] = [
    ['JPEG', (kept) => kept.jpeg()],
    ['JPEG of quality 60 without subsampling', (kept) => kept.jpeg({ quality: 60, chromaSubsampling: '4:4:4' })],
    ['progressive JPEG', (kept) => kept.jpeg({ progressive: true, quality: 90 })],
    ['JPEG by mozjpeg', (kept) => kept.jpeg({ mozjpeg: true })],
    ['WebP', (kept) => kept.webp()],
    ['WebP of quality 95', (kept) => kept.webp({ quality: 95 })],
  ];
  it.each(KEPT)('verifies as a %s', async (_, convert) => {
    const file = await convert(sharp(await encodeImage(image, image.receipt)).keepMetadata()).toBuffer();
    expect(await verifyImage(file, pipeline)).toMatchObject({
      verdict: 'within tolerance',
      receipt: image.receipt,
      encodedAlike: { maxAbs: 0 },
    });
  });
});

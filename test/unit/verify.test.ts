import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeImage } from '../../src/image/encode.js';
import type { GeneratedImage } from '../../src/image/generated-image.js';
import { hashArrays, type Receipt } from '../../src/image/receipt.js';
import { readPicture, TOLERANCE, verifyWith } from '../../src/verify.js';
import { memoryPipeline } from '../support/memory-session.js';

const { pipeline } = memoryPipeline();
let dir: string;
let image: GeneratedImage;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 't2i-verify-'));
  const request = { prompt: 'a red apple', negativePrompt: 'blurry', steps: 3, seed: 7, sampler: 'ddim', eta: 0.3 };
  image = (await pipeline.generate(request)).images[0] as GeneratedImage;
});
afterAll(() => rm(dir, { recursive: true }));

/** Writes a picture with pixels and a receipt as told, and verifies it. */
async function verify(receipt: Receipt, format: 'png' | 'jpeg' | 'webp' = 'png', rgb = image.rgb, width = image.width) {
  const path = join(dir, 'picture');
  const height = rgb.length / 3 / width;
  await writeFile(path, await encodeImage({ rgb, width, height }, receipt, { format }));
  return verifyWith(pipeline, await readPicture(path));
}

const edited = (change: (rgb: Uint8Array) => void) => {
  const rgb = image.rgb.slice();
  change(rgb);
  return rgb;
};
const about = (topic: string) => expect.arrayContaining([expect.stringMatching(`^${topic}: `)]);

describe('verify', () => {
  it('says exact of an untouched PNG', async () => {
    expect(await verify(image.receipt)).toEqual({
      verdict: 'exact',
      maxAbs: 0,
      meanAbs: 0,
      psnr: Infinity,
      reasons: [],
      receipt: image.receipt,
    });
  });

  it.each(['jpeg', 'webp'] as const)('says within tolerance at best of a %s, with the numbers', async (format) => {
    const flat = edited((rgb) => rgb.fill(0));
    const kept = await verify(image.receipt, format);
    expect(kept).toMatchObject({ verdict: 'within tolerance', reasons: about('format') });
    expect(kept.psnr).toBeGreaterThan(TOLERANCE.lossy.psnr);
    expect(await verify(image.receipt, format, flat)).toMatchObject({ verdict: 'different' });
  });

  it('says different of a PNG in which one bit of one pixel was changed', async () => {
    const rgb = edited((pixels) => {
      pixels[100] = (pixels[100] as number) ^ 1;
    });
    const result = await verify(image.receipt, 'png', rgb);
    expect(result).toMatchObject({ verdict: 'different', maxAbs: 1, reasons: about('pixels') });
  });

  it('allows what other processors round otherwise, and no more', async () => {
    const shifted = async (levels: number, count: number) => {
      const rgb = edited((pixels) => {
        for (let i = 0; i < count; i++) pixels[i] = (pixels[i] as number) + (i % 2 ? levels : -levels);
      });
      return verify({ ...image.receipt, rgbSha256: hashArrays(rgb) }, 'png', rgb);
    };
    const all = image.rgb.length;
    expect(await shifted(1, all)).toMatchObject({ verdict: 'within tolerance', maxAbs: 1, meanAbs: 1 });
    expect(await shifted(2, all)).toMatchObject({ verdict: 'different', meanAbs: 2 });
    expect(await shifted(16, 10)).toMatchObject({ verdict: 'within tolerance', maxAbs: 16 });
    expect(await shifted(17, 10)).toMatchObject({ verdict: 'different', maxAbs: 17, reasons: about('pixels') });
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
    expect(await verify({ ...image.receipt, seed: 8 }, 'jpeg')).toMatchObject({
      verdict: 'different',
      reasons: about('noise'),
    });
  });

  it('names each file of the model that is another, and does not compare', async () => {
    const hashes = { 'unet/model.onnx': '0'.repeat(64), 'vae_decoder/model.onnx': '1'.repeat(64) };
    const result = await verify({ ...image.receipt, model: { name: 'other', hashes } });
    expect(result).toMatchObject({ verdict: 'different', maxAbs: null, meanAbs: null, psnr: null });
    expect(result.reasons).toEqual([
      'model: the receipt names "other"; give that model to compare the pixels',
      expect.stringMatching(/^model: unet\/model\.onnx is 000000000000 in the receipt and [0-9a-f]{12} here$/),
      'model: vae_decoder/model.onnx is 111111111111 in the receipt and no such file here',
    ]);
  });

  it('says exact of a picture that another version or backend made alike, and mentions it', async () => {
    const receipt = { ...image.receipt, sdk: '@t2i/sdk 0.0.1', backend: { name: 'tensorrt', runtime: 'TensorRT 10' } };
    expect(await verify(receipt)).toMatchObject({
      verdict: 'exact',
      reasons: [
        'backend: tensorrt (TensorRT 10) in the receipt, memory (formula 1.0) here',
        expect.stringMatching(/^version: /),
      ],
    });
  });

  it('refuses a receipt that asks for what the model cannot do', async () => {
    const sampler = { ...image.receipt, plan: { ...image.receipt.plan, sampler: 'magic', eta: null } };
    await expect(verify(sampler)).rejects.toMatchObject({ code: 'OPTION_INVALID', issues: [{ option: 'sampler' }] });
  });

  it('refuses a picture without a receipt', async () => {
    await writeFile(join(dir, 'bare.png'), await encodeImage(image, null));
    await expect(readPicture(join(dir, 'bare.png'))).rejects.toMatchObject({ code: 'RECEIPT_MISSING' });
  });
});

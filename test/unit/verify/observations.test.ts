import { describe, expect, it } from 'vitest';
import { observations } from '../../../src/verify/observations.js';
import { TOLERANCE } from '../../../src/verify/tolerance.js';
import { receiptOf } from '../../support/receipts.js';

const same = {
  direct: { maxAbs: 0, meanAbs: 0, blockMeanAbs: 0, psnr: Infinity },
  encodedAlike: null,
  bounds: TOLERANCE.lossless,
};
const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
const drawnWith = (engines?: Record<string, string>) =>
  receiptOf({ backend: { name: 'tensorrt', runtime: 'TensorRT 10', ...(engines && { engines }) } });

describe('an image that was made again', () => {
  const receipt = receiptOf({ rgbSha256: a });

  it('gives no reason where all is the same', () => {
    expect(observations(receipt, receipt, same)).toEqual([]);
  });

  it('is told apart from the receipt by its pixels, and from the file by how far they are apart', () => {
    expect(observations(receipt, { ...receipt, rgbSha256: b }, same)).toEqual([
      'pixels: made again, they are not those of the receipt',
    ]);
    const direct = { maxAbs: 3, meanAbs: 0.0124, blockMeanAbs: 1, psnr: 61.26 };
    expect(observations(receipt, receipt, { ...same, direct })).toEqual([
      'pixels: the file is apart from the image made again by 3 levels at most, 0.012 on average, 61.3 dB',
    ]);
  });
});

describe('the engines of an image', () => {
  it.each<[string, Record<string, string> | undefined, Record<string, string> | undefined, string[]]>([
    ['the same', { unet: a, vaeDecoder: b }, { unet: a, vaeDecoder: b }, []],
    ['one of another', { unet: a, vaeDecoder: a }, { unet: a, vaeDecoder: b }, ['vaeDecoder is aaaaaaaaaaaa']],
    ['one that the receipt does not name', { unet: a }, { unet: a, vaeDecoder: b }, ['vaeDecoder is not named']],
    ['none in the receipt', undefined, { unet: a }, []],
    ['none here', { unet: a }, undefined, []],
  ])('are mentioned where they differ: %s', (_, there, here, expected) => {
    const reasons = observations(drawnWith(there), drawnWith(here), same);
    expect(reasons).toEqual(expected.map((what) => `engine: ${what} in the receipt and bbbbbbbbbbbb here`));
  });

  it('are mentioned with what they compute in, where the receipt says it', () => {
    const there = drawnWith({ vaeDecoder: a });
    const here = drawnWith({ vaeDecoder: b });
    const inBf16 = { ...here, backend: { ...here.backend, precisions: { vaeDecoder: 'bf16' } } };
    expect(observations(there, inBf16, same)).toEqual([
      'engine: vaeDecoder is aaaaaaaaaaaa in the receipt and bbbbbbbbbbbb in bf16 here',
    ]);
  });
});

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
});

import type { Pixels } from '../../src/image/encode.js';
import { hashArrays, type Receipt } from '../../src/image/receipt.js';

/** An image of smooth colours, as a lossy format keeps well. */
export function gradient(width = 24, height = 16): Pixels & { readonly rgb: Uint8Array<ArrayBuffer> } {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    rgb.set([(i % width) * 8, Math.floor(i / width) * 12, 90], i * 3);
  }
  return { rgb, width, height };
}

/** A valid receipt; its hashes are of the right form and stand for nothing. */
export function receiptOf(fields: Partial<Receipt> = {}): Receipt {
  const sha256 = hashArrays(new Uint8Array([1]));
  return {
    version: 1,
    prompt: 'a red apple',
    negativePrompt: 'blurry',
    seed: 7,
    width: 24,
    height: 16,
    guidanceScale: 7.5,
    plan: { sampler: 'euler-a', sigmas: null, eta: null, steps: 30, sha256 },
    model: { name: 'tiny', hashes: { 'unet/model.onnx': sha256 } },
    backend: { name: 'onnxruntime', runtime: 'onnxruntime-node 1.30.0' },
    sdk: '@t2i/sdk 0.1.0',
    noiseSha256: sha256,
    rgbSha256: sha256,
    ...fields,
  };
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFinished, type WantedImage } from '../../../src/cli/generate/finished.js';
import { encodeImage } from '../../../src/image/encode.js';
import { parseRequest, type Request } from '../../../src/options.js';
import { optionsOfReceipt } from '../../../src/pipeline/receipts.js';
import { gradient, receiptOf } from '../../support/receipts.js';
import { LIMITS } from '../../support/request-limits.js';

const OTHER_HASH = 'f'.repeat(64);
const made = receiptOf({ width: 128, height: 64 });
const receipt = receiptOf({
  ...made,
  plan: { ...made.plan, sampler: 'ddim', eta: 0.5 },
  model: { name: 'tiny', hashes: { 'unet/model.onnx': 'a'.repeat(64), 'vae_decoder/model.onnx': 'b'.repeat(64) } },
});
const { hashes } = receipt.model;
const request: Request = parseRequest(optionsOfReceipt(receipt), LIMITS);
const wanted: WantedImage = { request, seed: receipt.seed, modelHashes: hashes, metadata: true };

/** For each field of a request: another value of it, and whether the image is another one then. */
const CHANGES: { readonly [Name in keyof Required<Request>]: readonly [value: Request[Name], another: boolean] } = {
  prompt: ['a red apple!', true],
  negativePrompt: ['', true],
  steps: [29, true],
  guidanceScale: [7, true],
  sampler: ['euler', true],
  sigmas: ['default', true],
  eta: [0, true],
  width: [64, true],
  height: [128, true],
  // An image is asked for by its own seed.
  seeds: [[8, 7], false],
  replacement: ['ddim stands in for PNDM', false],
  previewEvery: [1, false],
};

let dir: string;
let path: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 't2i-finished-'));
  path = join(dir, 'made.png');
  await writeFile(path, await encodeImage(gradient(), receipt));
  await writeFile(join(dir, 'bare.png'), await encodeImage(gradient(), null));
  await writeFile(join(dir, 'cut.png'), (await encodeImage(gradient(), receipt)).subarray(0, 50));
});
afterAll(() => rm(dir, { recursive: true }));

describe('an image of a batch that is there already', () => {
  it('is finished where it is the one that is wanted', async () => {
    expect(await isFinished(path, wanted)).toBe(true);
  });

  it('is judged by every field of a request', () => {
    expect(Object.keys(CHANGES).sort()).toEqual(Object.keys(request).sort());
  });

  it.each(Object.entries(CHANGES))(
    'with another %s is drawn again, if that changes the image',
    async (name, change) => {
      const [value, another] = change;
      expect(request).not.toHaveProperty(name, value);
      expect(await isFinished(path, { ...wanted, request: { ...request, [name]: value } })).toBe(!another);
    },
  );

  it.each<[string, Partial<WantedImage>]>([
    ['another seed', { seed: 8 }],
    ['another file of the model', { modelHashes: { ...hashes, 'vae_decoder/model.onnx': OTHER_HASH } }],
    ['a file more of the model', { modelHashes: { ...hashes, 'unet/config.json': OTHER_HASH } }],
    ['a file less of the model', { modelHashes: { 'unet/model.onnx': 'a'.repeat(64) } }],
    [
      'a file of the model by another name',
      { modelHashes: { 'unet/model.onnx': 'a'.repeat(64), 'vae/model.onnx': 'b'.repeat(64) } },
    ],
    ['no receipt', { metadata: false }],
  ])('is drawn again where %s is wanted', async (_, change) => {
    expect(await isFinished(path, { ...wanted, ...change })).toBe(false);
  });

  it.each([
    [true, 'without receipt', 'bare.png', false],
    [true, 'that is damaged', 'cut.png', false],
    [true, 'that is not there', 'none.png', false],
    [false, 'without receipt', 'bare.png', true],
    [false, 'that is damaged', 'cut.png', false],
    [false, 'that is not there', 'none.png', false],
  ])('with metadata %s: one %s', async (metadata, _, name, finished) => {
    expect(await isFinished(join(dir, name), { ...wanted, metadata })).toBe(finished);
  });

  it.runIf(process.platform === 'linux')('that the system does not give is an error, not drawn over', async () => {
    // A regular file whose first page no process has.
    await expect(isFinished('/proc/self/mem', wanted)).rejects.toMatchObject({ code: 'IO_FAILED' });
  });
});

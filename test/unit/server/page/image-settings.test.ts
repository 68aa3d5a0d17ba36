import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RECEIPT_KEYWORD } from '../../../../src/image/containers.js';
import { encodeImage } from '../../../../src/image/encode.js';
import { IMAGE_FORMATS } from '../../../../src/image/formats.js';
import { writeParameters } from '../../../../src/image/parameters.js';
import { insertPngChunks, internationalTextChunk, type PngChunk, textChunk } from '../../../../src/image/png.js';
import { type FoundSettings, settingsOfImage } from '../../../../src/server/page/browser/image-settings.js';
import { gradient, receiptOf } from '../../../support/receipts.js';

const receipt = receiptOf({
  prompt: 'ein roter Apfel, "süß": 赤いりんご\nNegative  prompt: 🍎',
  negativePrompt: 'blurry, <b>',
  plan: { ...receiptOf().plan, sampler: 'ddim', sigmas: 'karras', eta: 0.5 },
});
const settings: FoundSettings = {
  prompt: receipt.prompt,
  negativePrompt: 'blurry, <b>',
  model: 'tiny',
  width: 24,
  height: 16,
  steps: 30,
  guidanceScale: 7.5,
  sampler: 'ddim',
  sigmas: 'karras',
  eta: 0.5,
  seed: 7,
};

const settingsIn = (bytes: Uint8Array) => settingsOfImage(new Blob([Uint8Array.from(bytes)]));

async function pngWith(...chunks: readonly PngChunk[]): Promise<Uint8Array<ArrayBuffer>> {
  return insertPngChunks(await encodeImage(gradient(), null), chunks);
}

const packed = (text: string, tag = 'parameters'): PngChunk => ({
  type: 'zTXt',
  data: Buffer.concat([Buffer.from(`${tag}\0\0`), deflateSync(Buffer.from(text, 'latin1'))]),
});

describe('the settings of an image', () => {
  it.each(IMAGE_FORMATS)('are those of its receipt in a %s', async (format) => {
    expect(await settingsIn(await encodeImage(gradient(), receipt, { format }))).toEqual(settings);
  });

  it.each(['jpeg', 'webp'] as const)('are those of its comment in a %s without XMP', async (format) => {
    const bytes = await encodeImage(gradient(), receiptOf(), { format });
    const text = Buffer.from(bytes).toString('latin1').replaceAll('t2i:receipt', 'xxx:receipt');
    expect(await settingsIn(Buffer.from(text, 'latin1'))).toMatchObject({ prompt: 'a red apple', seed: 7, steps: 30 });
  });

  it.each<[string, (text: string) => PngChunk]>([
    ['plain', (text) => textChunk('parameters', text)],
    ['international', (text) => internationalTextChunk('parameters', text)],
    ['compressed', packed],
  ])('are those that AUTOMATIC1111 wrote into a %s text chunk', async (_, chunk) => {
    const text =
      'a red apple, (shiny:1.2)\nNegative prompt: blurry, grey\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, ' +
      'Seed: 42, Size: 512x768, Model hash: 0123456789, Model: "sd, v1", Clip skip: 2, Version: v1.6.0';
    expect(await settingsIn(await pngWith(chunk(text)))).toEqual({
      prompt: 'a red apple, (shiny:1.2)',
      negativePrompt: 'blurry, grey',
      steps: 20,
      sampler: 'dpmpp-2m',
      sigmas: 'karras',
      eta: null,
      guidanceScale: 7,
      seed: 42,
      width: 512,
      height: 768,
      model: 'sd, v1',
    });
  });

  it('are found in what we write for other programs, whatever the prompts hold', async () => {
    // The grammar loses white space at the ends, and has no escape for its own words.
    const prompt = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .map((text) => text.replace(/[\p{Cc}]/gu, '').trim())
      .filter((text) => text !== '' && !text.includes(':'));
    await fc.assert(
      fc.asyncProperty(prompt, prompt, fc.integer({ min: 0, max: 2 ** 32 - 1 }), async (one, other, seed) => {
        const text = writeParameters(receiptOf({ prompt: one, negativePrompt: other, seed }));
        expect(await settingsIn(await pngWith(internationalTextChunk('parameters', text)))).toMatchObject({
          prompt: one,
          negativePrompt: other,
          seed,
          sampler: 'euler-a',
          sigmas: 'default',
        });
      }),
      { numRuns: 50 },
    );
  });

  it('are taken from the parameters where the receipt is damaged', async () => {
    const bytes = await pngWith(textChunk(RECEIPT_KEYWORD, '{"prompt":'), textChunk('parameters', 'a fox'));
    expect(await settingsIn(bytes)).toMatchObject({ prompt: 'a fox' });
  });

  it('leave out what has the wrong type', async () => {
    const lies = { ...receipt, seed: '7', width: null, plan: [], model: 'tiny', guidanceScale: 'high' };
    const bytes = await pngWith(textChunk(RECEIPT_KEYWORD, JSON.stringify(lies)));
    const { prompt, negativePrompt, height } = settings;
    expect(await settingsIn(bytes)).toEqual({ prompt, negativePrompt, height, sigmas: null, eta: null });
  });

  it('are none in a file that carries none', async () => {
    for (const format of IMAGE_FORMATS)
      expect(await settingsIn(await encodeImage(gradient(), null, { format }))).toBeNull();
    expect(await settingsIn(Buffer.from('no image'))).toBeNull();
  });

  it('are none in a text that unpacks to more than a megabyte', async () => {
    expect(await settingsIn(await pngWith(packed('a'.repeat(1 << 20))))).toMatchObject({ sigmas: null });
    expect(await settingsIn(await pngWith(packed('a'.repeat((1 << 20) + 1))))).toBeNull();
  });

  it.each(IMAGE_FORMATS)('are looked for in a damaged %s without a failure', async (format) => {
    const whole = await encodeImage(gradient(), receipt, { format });
    const cut = fc.integer({ min: 0, max: whole.length }).map((end) => whole.slice(0, end));
    const flipped = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }).map((flips) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of flips) bytes[at] = value;
      return bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(cut, flipped), async (bytes) => {
        const found = await settingsIn(bytes);
        expect(found === null || typeof found.prompt === 'string').toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

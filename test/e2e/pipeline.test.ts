import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/image/decode.js';
import { encodeImage } from '../../src/image/encode.js';
import { optionsOfReceipt, Pipeline, readReceipt, type StreamEvent, verifyImage } from '../../src/index.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const MODEL = fixture('tiny');

let dir: string;
let t2i: Pipeline;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 't2i-e2e-'));
  t2i = await Pipeline.load({ model: MODEL, backend: 'onnxruntime', threads: 1 });
});
afterAll(async () => {
  await t2i.close();
  await rm(dir, { recursive: true });
});

describe('a real model', () => {
  it('makes images of its own size, and says what ran', async () => {
    const { images, warnings, backend, timings } = await t2i.generate({
      prompt: 'a red apple',
      seed: 7,
      n: 2,
      steps: 3,
    });
    expect(images.map(({ seed, width, height }) => [seed, width, height])).toEqual([
      [7, t2i.model.nativeSize.width, t2i.model.nativeSize.height],
      [8, t2i.model.nativeSize.width, t2i.model.nativeSize.height],
    ]);
    expect(images[0]?.rgb).not.toEqual(images[1]?.rgb);
    expect(warnings).toEqual([]);
    expect(backend).toMatchObject({
      name: 'onnxruntime',
      runtime: expect.stringMatching(/^onnxruntime-node \d/),
      tried: [],
    });
    expect(timings.total).toBeGreaterThan(0);
  });

  it('gives the same image for a seed, alone and in a batch of any order, for every kind of sampler', async () => {
    for (const sampler of ['ddim', 'euler-a', 'dpmpp-2m']) {
      const options = { prompt: 'a red apple', steps: 4, sampler };
      const [alone, batch] = await Promise.all([
        t2i.generate({ ...options, seed: 0 }),
        t2i.generate({ ...options, seeds: [5, 0, 2] }),
      ]);
      expect(batch.images[1]?.receipt).toEqual(alone.images[0]?.receipt);
      expect(batch.images[1]?.rgb).toEqual(alone.images[0]?.rgb);
    }
  });

  it('streams steps with previews of its size, then the image', async () => {
    const events: StreamEvent[] = [];
    for await (const event of t2i.stream({ prompt: 'a red apple', seed: 1, steps: 3, preview: true }))
      events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['step', 'step', 'step', 'image', 'done']);
    const shown = events.flatMap((event) => (event.type === 'step' && event.preview ? [event.preview] : []));
    expect(shown.at(-1)).toMatchObject({ ...t2i.model.nativeSize });
  });

  it('ends within a step when aborted, and goes on with the next request', async () => {
    const control = new AbortController();
    let seen = 0;
    const onStep = ({ step }: { step: number }) => {
      seen = step;
      if (step === 2) control.abort(new Error('enough'));
    };
    const long = t2i.generate({ prompt: 'a red apple', steps: 500, signal: control.signal, onStep });
    await expect(long).rejects.toThrow('enough');
    expect(seen).toBe(2);
    expect((await t2i.generate({ prompt: 'a red apple', steps: 2 })).images).toHaveLength(1);
  });
});

describe('a receipt', () => {
  it('brings every option from the file back to the same image, bit by bit', async () => {
    const all = {
      prompt: 'red äpple ☕\n<b>',
      negativePrompt: '"blurry" & dark',
      steps: 5,
      guidanceScale: 3.7,
      seed: 2 ** 53 - 1,
    };
    for (const special of [
      { sampler: 'ddim', eta: 0.4 },
      { sampler: 'euler', sigmas: 'karras' as const },
      { sampler: 'lcm' },
    ]) {
      const path = join(dir, 'receipt.png');
      const { images } = await t2i.generate({ ...all, ...special });
      await images[0]?.toFile(path);
      const options = optionsOfReceipt(await readReceipt(path));
      expect(options).toMatchObject({ ...all, ...special });
      const again = (await t2i.generate(options)).images[0];
      expect(again?.rgb).toEqual(images[0]?.rgb);
      expect(again?.receipt).toEqual(images[0]?.receipt);
      // The same request gives the same file as well.
      expect(Buffer.from(await again!.toBuffer()).equals(Buffer.from(await images[0]!.toBuffer()))).toBe(true);
    }
  });

  it('is verified: exact as written, different once a pixel was edited, and by another model', async () => {
    const path = join(dir, 'verify.png');
    const image = (await t2i.generate({ prompt: 'a red apple', seed: 3, steps: 3 })).images[0]!;
    await image.toFile(path);
    expect(await verifyImage(path, { model: MODEL })).toMatchObject({ verdict: 'exact', maxAbs: 0, reasons: [] });
    const byOther = await verifyImage(path, { model: fixture('tiny-v') });
    expect(byOther).toMatchObject({ verdict: 'different', maxAbs: null });
    expect(byOther.reasons.join('\n')).toMatch(
      /model: unet\/model\.\S+ is [0-9a-f]{12} in the receipt and [0-9a-f]{12} here/,
    );

    const pixels = await decodeImage(await image.toBuffer());
    pixels.rgb[0] = (pixels.rgb[0] as number) ^ 1;
    await writeFile(path, await encodeImage(pixels, image.receipt));
    expect(await verifyImage(path, { model: MODEL })).toMatchObject({ verdict: 'different', maxAbs: 1 });
    await writeFile(path, await encodeImage(image, { ...image.receipt, seed: 4 }));
    expect(await verifyImage(path, { model: MODEL })).toMatchObject({
      verdict: 'different',
      reasons: expect.arrayContaining(['noise: not that of the seed in the receipt']),
    });
  });
});

describe('loading', () => {
  it.each([
    [{ model: 'no-such-model' }, 'MODEL_NOT_FOUND'],
    [{ model: MODEL, backend: 'magic' }, 'OPTION_INVALID'],
    [{ model: MODEL, threads: 0 }, 'OPTION_INVALID'],
    [{ model: fileURLToPath(new URL('.', import.meta.url)) }, 'MODEL_INVALID'],
  ])('%o is refused', async (options, code) => {
    await expect(Pipeline.load(options)).rejects.toMatchObject({ code });
  });

  it('works in a process of its own that ends by itself', async () => {
    const index = new URL('../../dist/index.js', import.meta.url).href;
    const script = `import { Pipeline } from ${JSON.stringify(index)};
      const t2i = await Pipeline.load({ model: ${JSON.stringify(MODEL)}, backend: 'onnxruntime', threads: 1 });
      const { images } = await t2i.generate({ prompt: 'a red apple', seed: 3, steps: 3 });
      await images[0].toFile(${JSON.stringify(join(dir, 'own.png'))});
      await t2i.close();`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 50_000 });
    const here = (await t2i.generate({ prompt: 'a red apple', seed: 3, steps: 3 })).images[0];
    expect(await readReceipt(join(dir, 'own.png'))).toEqual(here?.receipt);
  });
});

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeImage, type GeneratedImage, Pipeline, verifyImage } from '../../src/index.js';

const MAX_BYTES = 60e6;

let t2i: Pipeline;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 't2i-default-'));
  t2i = await Pipeline.load();
});
afterAll(async () => {
  await t2i.close();
  await rm(dir, { recursive: true });
});

/** Mean colour of a square of 8 pixels, red, green, blue. */
function colourAt({ rgb, width }: GeneratedImage, left: number, top: number): number[] {
  const sums = [0, 0, 0];
  for (let y = top; y < top + 8; y++) {
    for (let x = left; x < left + 8; x++) {
      for (let c = 0; c < 3; c++) sums[c] = (sums[c] as number) + (rgb[(y * width + x) * 3 + c] as number);
    }
  }
  return sums.map((sum) => sum / 64);
}

async function generate(prompt: string, options: { seeds?: number[]; sampler?: string; steps?: number } = {}) {
  const { images } = await t2i.generate({ prompt, seeds: [7], ...options });
  return images as [GeneratedImage, ...GeneratedImage[]];
}

describe('the default model', () => {
  it('takes at most 60 MB', async () => {
    const files = await readdir(t2i.model.dir, { recursive: true });
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(t2i.model.dir, file))).size));
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(MAX_BYTES);
  });

  it('has the hashes of its manifest, a card, and the judge’s table that the card shows', async () => {
    const { manifest, hashes } = t2i.model;
    for (const [path, hash] of Object.entries(hashes)) expect(manifest?.files[path]).toBe(hash);
    const card = await readFile(join(t2i.model.dir, 'README.md'), 'utf8');
    const { suites } = JSON.parse(await readFile(join(t2i.model.dir, 'evaluation.json'), 'utf8'));
    for (const suite of ['training captions', 'held-out combinations']) {
      const { images, concept_top1: top1 } = suites[suite];
      expect(card).toContain(`| ${suite} | ${images} | ${Number(top1.toPrecision(3))} |`);
    }
  });

  it('draws a red apple on a blue background', async () => {
    const [apple] = await generate('a red apple on a blue background');
    expect([apple.width, apple.height]).toEqual([128, 128]);
    const [red, green, blue] = colourAt(apple, 60, 64) as [number, number, number];
    expect(red).toBeGreaterThan(1.5 * Math.max(green, blue));
    for (const [left, top] of [
      [2, 2],
      [118, 2],
      [2, 118],
      [118, 118],
    ] as const) {
      const corner = colourAt(apple, left, top) as [number, number, number];
      expect(corner[2]).toBeGreaterThan(1.3 * corner[0]);
    }
  });

  it('understands colours and backgrounds that it is told', async () => {
    const [tulip] = await generate('a yellow tulip on a purple background');
    const [red, green, blue] = colourAt(tulip, 60, 40) as [number, number, number];
    expect(Math.min(red, green)).toBeGreaterThan(1.3 * blue);
    const corner = colourAt(tulip, 2, 2) as [number, number, number];
    expect(Math.min(corner[0], corner[2])).toBeGreaterThan(1.2 * corner[1]);
  });

  it.each(['ddpm', 'euler', 'euler-a', 'dpmpp-2m', 'lcm'])('draws the same thing with %s', async (sampler) => {
    const [image] = await generate('a red apple on a blue background', { sampler, steps: 12 });
    const centre = colourAt(image, 60, 64) as [number, number, number];
    const corner = colourAt(image, 2, 2) as [number, number, number];
    expect(centre[0]).toBeGreaterThan(centre[2]);
    expect(corner[2]).toBeGreaterThan(corner[0]);
  });

  it('gives each seed its image, alone and among others, and verifies', async () => {
    const [first, second] = await generate('a sunflower', { seeds: [3, 4] });
    const [again] = await generate('a sunflower', { seeds: [4] });
    expect(again.rgb).toEqual(second?.rgb);
    expect(again.rgb).not.toEqual(first.rgb);
    const path = join(dir, 'sunflower.png');
    await again.toFile(path);
    expect(await verifyImage(path)).toMatchObject({ verdict: 'exact', maxAbs: 0 });
  });

  it.each(['jpeg', 'webp'] as const)(
    'tells two seeds apart in %s, close as they are, and keeps a file its own',
    async (format) => {
      const [first, second] = await generate('a sunflower', { seeds: [1, 2] });
      for (const quality of [50, 80, 90, 100]) {
        const own = await verifyImage(await first.toBuffer(format, { quality }), t2i);
        expect(own).toMatchObject({ verdict: 'within tolerance', encodedAlike: { maxAbs: 0 } });
        const forged = await encodeImage(second as GeneratedImage, first.receipt, { format, quality });
        expect(await verifyImage(forged, t2i)).toMatchObject({ verdict: 'different' });
      }
    },
  );

  it('tells two seeds apart in a PNG whose receipt was forged to have its hash', async () => {
    const [first, second] = await generate('a sunflower', { seeds: [1, 2] });
    const { rgbSha256 } = (second as GeneratedImage).receipt;
    const forged = await encodeImage(second as GeneratedImage, { ...first.receipt, rgbSha256 });
    expect(await verifyImage(forged, t2i)).toMatchObject({ verdict: 'different' });
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/main.js';
import { GeneratedImage } from '../../src/image/generated-image.js';
import { Pipeline } from '../../src/pipeline.js';
import { fakeIo } from '../support/fake-io.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const TINY = fixture('tiny');

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 't2i-cli-'));
  await using pipeline = await Pipeline.load({ model: TINY });
  const { images } = await pipeline.generate({ prompt: 'a red apple', seed: 7, steps: 2 });
  const [image] = images;
  if (!image) throw new Error('no image');
  await image.toFile(join(folder, 'true.png'));
  await image.toFile(join(folder, 'true.jpg'));
  const [other] = (await pipeline.generate({ prompt: 'a red apple', seed: 8, steps: 2 })).images;
  await new GeneratedImage(other.rgb, image.receipt).toFile(join(folder, 'other.jpg'));
  await sharp(join(folder, 'true.png')).keepMetadata().toFile(join(folder, 'kept.webp'));
  const dark = new GeneratedImage(
    image.rgb.map((value) => value >> 1),
    image.receipt,
  );
  await dark.toFile(join(folder, 'dark.png'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function t2i(...argv: string[]) {
  const io = fakeIo();
  return { code: await main(argv, io), out: io.out(), err: io.err() };
}
const verify = (name: string, ...argv: string[]) => t2i('verify', join(folder, name), ...argv);

describe('t2i verify', () => {
  it('finds the same image exact', async () => {
    expect(await verify('true.png', '--model', TINY)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^exact\nevery byte is equal\n/),
    });
  });

  it('finds a lossy file within tolerance, with numbers', async () => {
    const { code, out } = await verify('true.jpg', '--model', TINY, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      verdict: 'within tolerance',
      psnr: expect.any(Number),
      encodedAlike: { quality: 90, maxAbs: 0 },
    });
    expect((await verify('true.jpg', '--model', TINY)).out).toContain(
      'encoded alike, with quality 90: every byte is equal',
    );
  });

  it('finds a JPEG of another seed different', async () => {
    const { code, out } = await verify('other.jpg', '--model', TINY);
    expect(code).toBe(1);
    expect(out).toMatch(/^pixels: .* levels on average, more than/m);
  });

  it('says by name that it was another model', async () => {
    const { out } = await verify('true.png', '--model', fixture('tiny-v'));
    expect(out).toMatch(/^model: different model: the receipt names "tiny" \(\w+\), this is "tiny-v" \(\w+\)/m);
  });

  it('does not begin work beyond its budget, which a flag raises', async () => {
    const refused = await verify('true.png', '--model', TINY, '--max-work', '1000');
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/hint: .*--max-work 262144/) });
    expect(await verify('true.png', '--model', TINY, '--max-work', '262144')).toMatchObject({ code: 0 });
    expect(await verify('true.png', '--max-work', 'much', '--threads', '0')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--threads.*\n.*--max-work: expected a whole number/),
    });
  });

  it.each([
    ['dark.png', TINY],
    ['true.png', fixture('tiny-v')],
  ])('finds %s with %s different', async (name, model) => {
    const { code, out } = await verify(name, '--model', model);
    expect(code).toBe(1);
    expect(out).toMatch(/^different\n./);
  });

  it('names the file that is no image, or carries no receipt', async () => {
    await sharp(join(folder, 'true.png')).toFile(join(folder, 'bare.png'));
    writeFileSync(join(folder, 'text.png'), 'not an image');
    for (const [name, problem] of [
      ['text.png', 'not a PNG'],
      ['bare.png', 'no receipt'],
    ] as const) {
      for (const command of ['verify', 'inspect']) {
        const { code, err } = await t2i(command, join(folder, name));
        expect([code, err], command).toEqual([1, expect.stringContaining(`${join(folder, name)}: The `)]);
        expect(err).toContain(problem);
      }
    }
    expect((await verify('true.png', '--model', TINY, '--max-work', '1')).err).toContain(
      `${join(folder, 'true.png')}: The receipt asks for`,
    );
  });

  it('ends with 1 where there is no image', async () => {
    expect(await verify('absent.png')).toMatchObject({ code: 1, out: '', err: expect.stringContaining('absent.png') });
  });
});

describe('t2i inspect', () => {
  it.each(['true.jpg', 'kept.webp'])('shows the receipt of %s', async (name) => {
    const { code, out } = await t2i('inspect', join(folder, name));
    expect(code).toBe(0);
    expect(out).toMatch(/^prompt +a red apple$/m);
    expect(out).toMatch(/^seed +7$/m);
  });

  it('shows what a model directory holds', async () => {
    const { code, out } = await t2i('inspect', TINY);
    expect(code).toBe(0);
    expect(out).toMatch(/^prediction +epsilon$/m);
    expect(out).toContain('unet/model.onnx');
    expect(JSON.parse((await t2i('inspect', TINY, '--json')).out)).toMatchObject({ dir: TINY });
  });
});

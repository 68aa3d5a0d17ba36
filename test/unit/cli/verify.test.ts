import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../../src/cli/main.js';
import { Pipeline } from '../../../src/pipeline.js';
import { fakeIo } from '../../support/fake-io.js';
import { memoryPipeline } from '../../support/memory-session.js';

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 't2i-verify-'));
  const { pipeline } = memoryPipeline();
  const {
    images: [image],
  } = await pipeline.generate({ prompt: 'a red apple', seed: 7, steps: 2 });
  await image.toFile(at('apple.png'));
  await image.toFile(at('apple.jpg'));
  vi.spyOn(Pipeline, 'loadWith').mockImplementation(async () => memoryPipeline().pipeline);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

async function verify(argv: readonly string[], terminal = false) {
  const io = fakeIo({ cwd: folder, terminal });
  return { code: await main(['verify', ...argv], io), out: io.out(), err: io.err() };
}
/** Draws otherwise than the machine that made the image. */
function drawOtherwise(): void {
  vi.mocked(Pipeline.loadWith).mockImplementation(async () => {
    const { pipeline, session } = memoryPipeline();
    const generate = session.generate.bind(session);
    session.generate = async (job, control) => {
      const { images, ...rest } = await generate(job, control);
      return { ...rest, images: images.map(({ rgb, ...size }) => ({ ...size, rgb: rgb.map((value) => 255 - value) })) };
    };
    return pipeline;
  });
}

describe('t2i verify', () => {
  it('says that an image is exactly what its receipt makes', async () => {
    const { code, out, err } = await verify([at('apple.png')]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toBe('exact\nevery byte is equal\n');
    expect((await verify([at('apple.png')], true)).out).toContain('\u001b[32mexact\u001b[0m\n');
  });

  it('tells programs the same, without the receipt', async () => {
    const { code, out } = await verify([at('apple.png'), '--json']);
    expect([code, JSON.parse(out)]).toEqual([
      0,
      { verdict: 'exact', maxAbs: 0, meanAbs: 0, blockMeanAbs: 0, psnr: null, encodedAlike: null, reasons: [] },
    ]);
  });

  it('compares a JPEG with what it would be made again, encoded alike', async () => {
    const { code, out } = await verify([at('apple.jpg')]);
    expect(code).toBe(0);
    expect(out).toMatch(/^within tolerance\n/);
    expect(out).toMatch(/^encoded alike, with quality \d+: every byte is equal$/m);
  });

  it('fails where the image is another, with the reasons', async () => {
    drawOtherwise();
    const { code, out } = await verify([at('apple.png')], true);
    expect([code, out]).toEqual([1, expect.stringContaining('\u001b[31mdifferent\u001b[0m\n')]);
    expect(out).toMatch(/^largest difference \d+ of 255.*\npixels: /m);
    const told = await verify([at('apple.png'), '--json']);
    const { verdict, reasons } = JSON.parse(told.out);
    expect([told.code, verdict]).toEqual([1, 'different']);
    for (const reason of reasons) expect(out).toContain(`${reason}\n`);
  });

  it('says by name that it was another model, and compares nothing', async () => {
    const other = { name: 'other', hashes: { 'unet/model.onnx': 'a'.repeat(64) } };
    vi.mocked(Pipeline.loadWith).mockImplementation(async () => memoryPipeline(other).pipeline);
    const { code, out, err } = await verify([at('apple.png')]);
    expect([code, err]).toEqual([1, '']);
    expect(out).toMatch(/^different\nmodel: .*the receipt names "formula" .*, this is "other"/);
    expect(out).not.toContain('largest difference');
    const told = JSON.parse((await verify([at('apple.png'), '--json'])).out);
    expect(told).toMatchObject({ verdict: 'different', maxAbs: null, meanAbs: null, psnr: null });
  });

  it.each([
    [['--max-work', '100'], 'BUDGET_EXCEEDED'],
    [['--max-work', 'much'], 'OPTION_INVALID'],
    [['--threads', '0'], 'OPTION_INVALID'],
  ])('with %j loads nothing', async (argv, code) => {
    const { out } = await verify([at('apple.png'), ...argv, '--json']);
    expect(JSON.parse(out).error.code).toBe(code);
    expect(Pipeline.loadWith).not.toHaveBeenCalled();
  });

  it('loads the model that is named', async () => {
    await verify([at('apple.png'), '--model', './mine', '--backend', 'onnxruntime']);
    expect(vi.mocked(Pipeline.loadWith).mock.lastCall?.[1]).toMatchObject({ model: './mine', backend: 'onnxruntime' });
  });
});

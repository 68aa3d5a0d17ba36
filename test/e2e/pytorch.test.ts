import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { readReceipt } from '../../src/image/read-receipt.js';
import { Pipeline } from '../../src/pipeline.js';
import { verifyImage } from '../../src/verify.js';
import { fixture } from '../contract/tiny-jobs.js';
import { fakeIo } from '../support/fake-io.js';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';

const { lack } = pythonOf('trainer/requirements.lock');

describe('--backend pytorch', skipFor(lack), () => {
  vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 't2i-pytorch-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('draws what onnxruntime draws, of the default model, within the published tolerance', async () => {
    const pipeline = await Pipeline.load({ backend: 'onnxruntime' });
    const { images } = await pipeline.generate({ prompt: 'a red apple', seed: 7, steps: 6 });
    await pipeline.close();
    const { verdict, maxAbs } = await verifyImage(await images[0].toBuffer('png'), { backend: 'pytorch', threads: 1 });
    expect(verdict).not.toBe('different');
    // Another runtime, so that it was not onnxruntime twice.
    expect(maxAbs).toBeGreaterThan(0);
  });

  it('draws from safetensors, and its receipt names them and PyTorch', async () => {
    const output = join(dir, 'apple.png');
    const model = ['--model', fixture('diffusers/tiny')];
    const io = fakeIo();
    const code = await main(
      ['generate', 'a red apple', ...model, '--backend', 'pytorch', '--steps', '2', '-o', output],
      io,
    );
    expect({ code, err: io.err() }).toMatchObject({ code: 0 });
    const { backend, model: named } = await readReceipt(output);
    expect(backend).toEqual({ name: 'pytorch', runtime: expect.stringMatching(/^torch \d/) });
    expect(Object.keys(named.hashes)).toContain('unet/diffusion_pytorch_model.safetensors');
  });

  it('is needed for a directory without graphs: the other backends say how to export it', async () => {
    const io = fakeIo();
    expect(await main(['generate', 'a fox', '--model', fixture('diffusers/tiny'), '-o', join(dir, 'x.png')], io)).toBe(
      3,
    );
    expect(io.err()).toMatch(/PyTorch weights: .*optimum-cli export onnx/s);
  });

  it('is told of by doctor', async () => {
    const io = fakeIo();
    await main(['doctor', '--json'], io);
    const { backends } = JSON.parse(io.out());
    expect(backends).toContainEqual({
      name: 'pytorch',
      available: true,
      detail: expect.stringMatching(/^torch \d\S+, diffusers \d\S+ of \/.*python/),
    });
  });
});

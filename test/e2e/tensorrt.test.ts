import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeImage, Pipeline, verifyImage } from '../../src/index.js';
import { describeModel } from '../../src/model/layout.js';
import { fixture } from '../contract/tiny-jobs.js';
import { noBuild } from '../support/native.js';
import { type SimTensorrt, simTensorrt } from '../support/sim-tensorrt.js';
import { skipFor } from '../support/skip-for.js';

const REQUEST = { prompt: 'a red apple', seed: 7, steps: 3 };

// On the simulated device. The engines are built beforehand, by the stand-in's own reference: the pipeline finds them checked.
describe('a pipeline on TensorRT', skipFor(noBuild('sim')), () => {
  let sim: SimTensorrt;
  let dir: string;
  let t2i: Pipeline;

  beforeAll(async () => {
    sim = simTensorrt(10) as SimTensorrt;
    sim.use();
    await sim.build(await describeModel(fixture('tiny')));
    dir = await mkdtemp(join(tmpdir(), 't2i-e2e-'));
    t2i = await Pipeline.load({ model: fixture('tiny') });
  });
  afterAll(async () => {
    await t2i.close();
    sim.cleanUp();
    await rm(dir, { recursive: true });
  });

  it('is what auto chooses, and says which engines ran, also in the receipt', async () => {
    const { images, backend, warnings } = await t2i.generate(REQUEST);
    expect(warnings).toEqual([]);
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    const engines = { textEncoder: hash, unet: hash, vaeDecoder: hash };
    expect(backend).toEqual({
      name: 'tensorrt',
      runtime: expect.stringMatching(/^tensorrt 10\.\d+\.\d+$/),
      engines,
      precisions: { textEncoder: 'fp32', unet: 'fp32', vaeDecoder: 'fp32' },
      tried: [],
    });
    const { tried: _, ...ran } = backend;
    expect(images[0]?.receipt.backend).toEqual(ran);
  });

  it('gives each image of many the pixels that it has alone, above the largest batch of the engines too', async () => {
    const { images } = await t2i.generate({ ...REQUEST, n: 6, sampler: 'euler-a' });
    for (const image of images) {
      const alone = await t2i.generate({ ...REQUEST, seed: image.seed, sampler: 'euler-a' });
      expect(alone.images[0]?.rgb).toEqual(image.rgb);
    }
  });

  it('draws the same in a process of its own', async () => {
    await using isolated = await Pipeline.load({ model: fixture('tiny'), backend: 'tensorrt', isolation: 'process' });
    const [here, there] = [await t2i.generate(REQUEST), await isolated.generate(REQUEST)];
    expect(there.images[0]?.receipt).toEqual(here.images[0]?.receipt);
  });

  it('is verified exactly, and verification names an engine that is another', async () => {
    const { images } = await t2i.generate(REQUEST);
    const [image] = images;
    const path = join(dir, 'apple.png');
    await image?.toFile(path);
    const load = { model: fixture('tiny') };
    expect(await verifyImage(path, load)).toMatchObject({ verdict: 'exact', reasons: [] });
    const receipt = structuredClone(image!.receipt);
    Object.assign(receipt.backend.engines!, { unet: '0'.repeat(64) });
    await writeFile(path, await encodeImage(image!, receipt));
    expect(await verifyImage(path, load)).toMatchObject({
      verdict: 'exact',
      reasons: [
        expect.stringMatching(/^engine: unet is 000000000000 in fp32 in the receipt and [0-9a-f]{12} in fp32 here$/),
      ],
    });
  });

  it('says what helps where no engine takes the size', async () => {
    const request = { ...REQUEST, width: 256, height: 256 };
    await expect(t2i.generate(request)).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      hint: expect.stringMatching(/build-engine/),
    });
  });

  it('is not what strict lets auto leave', async () => {
    const nowhere = { model: fixture('tiny'), tensorrtLibDir: dir };
    await using fallen = await Pipeline.load({ ...nowhere, threads: 1 });
    expect(fallen.backend).toMatchObject({ name: 'onnxruntime', tried: [{ name: 'tensorrt' }] });
    await expect(Pipeline.load({ ...nowhere, strict: true })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });
});

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { onnxruntimeReference } from '../../src/backends/onnxruntime/reference.js';
import type { ProcessSession } from '../../src/backends/process/process-session.js';
import { createTensorrt } from '../../src/backends/tensorrt/tensorrt.js';
import { Pipeline, verifyImage } from '../../src/index.js';
import { describeModel } from '../../src/model/layout.js';
import { fixture, tinyJob, tinyPrompt } from '../contract/tiny-jobs.js';
import { type Point, residentBytes, slope } from '../support/leaks.js';
import { ensureWideEngines } from '../support/wide-engines.js';
import { findGpuMachine, useFreshCache } from './machine.js';

const machine = await findGpuMachine();
const COLLECT_GARBAGE = fileURLToPath(new URL('../contract/collect-garbage.cjs', import.meta.url));

describe.skipIf(machine === null)('images of the default model on a GPU', () => {
  let gpu: Pipeline;
  let cpu: Pipeline;
  let cleanUp: () => void;

  beforeAll(async () => {
    ({ cleanUp } = useFreshCache());
    gpu = await Pipeline.load({ backend: 'tensorrt', strict: true });
    cpu = await Pipeline.load({ backend: 'onnxruntime' });
  });
  afterAll(async () => {
    await Promise.all([gpu?.close(), cpu?.close()]);
    cleanUp();
  });
  afterEach(() => vi.unstubAllEnvs());

  it.each(['ddim', 'euler-a', 'dpmpp-2m'])('by %s are those of onnxruntime within the tolerance', async (sampler) => {
    const { images } = await cpu.generate({ prompt: 'a red apple on a blue background', seed: 7, steps: 10, sampler });
    const result = await verifyImage(await images[0]!.toBuffer('png'), { pipeline: gpu });
    console.log(`${sampler}: ${result.verdict}, at most ${result.maxAbs}, mean ${result.meanAbs}, ${result.psnr} dB`);
    expect(result.verdict).not.toBe('different');
  });

  it('are the same every time, and in a process of its own', async () => {
    const request = { prompt: 'a red apple', seed: 3, steps: 10 };
    const [first, second] = [await gpu.generate(request), await gpu.generate(request)];
    expect(second.images[0]?.rgb).toEqual(first.images[0]?.rgb);
    await using isolated = await Pipeline.load({ backend: 'tensorrt', strict: true, isolation: 'process' });
    expect((await isolated.generate(request)).images[0]?.rgb).toEqual(first.images[0]?.rgb);
  });

  it('leave no memory behind over 1,000 of them, on the host or on the GPU', async () => {
    vi.stubEnv('NODE_OPTIONS', `--require ${COLLECT_GARBAGE}`);
    vi.stubEnv('MALLOC_ARENA_MAX', '1');
    const model = await describeModel(fixture('tiny'));
    await ensureWideEngines(model, onnxruntimeReference);
    const session = (await createTensorrt(onnxruntimeReference).open(model, {
      isolation: 'process',
    })) as ProcessSession;
    const pid = session.pid as number;
    const measure = async (images: number) => {
      const [host, onGpu]: [Point[], Point[]] = [[], []];
      for (let image = 0; image < images; image++) {
        const due = image % 20 === 0;
        if (due) process.kill(pid, 'SIGUSR2');
        const promptIds = tinyPrompt(image % 600);
        await session.generate(tinyJob(model, { seeds: [image], promptIds, latentSize: 4 + 2 * (image % 3) }));
        if (!due) continue;
        host.push({ image, bytes: await residentBytes(pid) });
        onGpu.push({ image, bytes: gpuBytes(machine!.device.index) });
      }
      return { host, onGpu };
    };
    await measure(300);
    const { host, onGpu } = await measure(1000);
    expect(slope(host)).toBeLessThan(2048);
    // What nvidia-smi counts goes up in steps of MiB: most pairs of points show none.
    expect(slope(onGpu)).toBeLessThan(2048);
    await session.close();
  });
});

function gpuBytes(index: number): number {
  const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits', `--id=${index}`];
  return Number(execFileSync('nvidia-smi', query, { encoding: 'utf8' })) * 2 ** 20;
}

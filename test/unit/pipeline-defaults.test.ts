import { describe, expect, it } from 'vitest';
import { parseSchedulerConfig } from '../../src/diffusion/schedule.js';
import { memoryPipeline } from '../support/memory-session.js';

const request = { prompt: 'a cat', steps: 3 };

describe('a pipeline', () => {
  it('takes defaults from the manifest of the model', async () => {
    const defaults = { steps: 2, guidanceScale: 1.5, sampler: 'euler' };
    const { pipeline } = memoryPipeline({ manifest: { defaults } as never });
    const [image] = (await pipeline.generate({ prompt: 'x' })).images;
    expect(image?.receipt).toMatchObject({ guidanceScale: 1.5, plan: { sampler: 'euler', steps: 2 } });
  });

  it('takes presets from the manifest, and writes what they resolve to into the receipt', async () => {
    const defaults = { steps: 2, guidanceScale: 1.5, sampler: 'euler' };
    const presets = { fast: { steps: 3, sampler: 'dpmpp-2m' } };
    const { pipeline } = memoryPipeline({ manifest: { defaults, presets } as never });
    const [image] = (await pipeline.generate({ prompt: 'x', preset: 'fast', guidanceScale: 4 })).images;
    expect(image?.receipt).toMatchObject({ guidanceScale: 4, plan: { sampler: 'dpmpp-2m', steps: 3 } });
  });

  it('takes defaults from the class of the scheduler where there is no manifest', async () => {
    const scheduler = parseSchedulerConfig({ _class_name: 'LCMScheduler' });
    const { pipeline } = memoryPipeline({ scheduler });
    const [image] = (await pipeline.generate({ prompt: 'x' })).images;
    expect(image?.receipt).toMatchObject({ guidanceScale: 1, plan: { sampler: 'lcm', steps: 4 } });
    const distilled = await memoryPipeline({ scheduler, guidanceWidth: 8 }).pipeline.generate({ prompt: 'x' });
    expect(distilled.images[0]?.receipt).toMatchObject({ guidanceScale: 8.5, plan: { steps: 4 } });
  });

  it('warns of a sampler that stands in for the one of the model, unless it was chosen', async () => {
    const { pipeline } = memoryPipeline({ scheduler: parseSchedulerConfig({ _class_name: 'PNDMScheduler' }) });
    expect((await pipeline.generate(request)).warnings).toEqual([
      { code: 'SAMPLER_REPLACED', message: 'This package has no PNDMScheduler: ddim is used in its place' },
    ]);
    expect((await pipeline.generate({ ...request, sampler: 'ddim' })).warnings).toEqual([]);
  });

  it('refuses a sampler that the schedule of the model does not let be used', async () => {
    const json = { _class_name: 'DPMSolverMultistepScheduler', solver_order: 3 };
    const { pipeline } = memoryPipeline({ scheduler: parseSchedulerConfig(json) });
    await expect(pipeline.generate({ ...request, sampler: 'dpmpp-2m' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'sampler', expected: expect.stringContaining('solver_order 3') }],
    });
    expect((await pipeline.generate({ ...request, sampler: 'ddim' })).images).toHaveLength(1);
  });
});

import { describe, expect, it } from 'vitest';
import { BACKENDS } from '../../src/backends/select.js';
import { SAMPLER_NAMES } from '../../src/diffusion/plan.js';
import type { BackendName, SamplerName } from '../../src/options.js';

describe('the names that an editor completes', () => {
  it('are those of the samplers and the backends', () => {
    // The compiler asks for every name of the type and refuses others.
    const samplers: Record<SamplerName, true> = {
      ddim: true,
      ddpm: true,
      euler: true,
      'euler-a': true,
      'dpmpp-2m': true,
      lcm: true,
    };
    const backends: Record<BackendName, true> = { auto: true, tensorrt: true, onnxruntime: true, pytorch: true };
    expect(Object.keys(samplers)).toEqual(SAMPLER_NAMES);
    expect(Object.keys(backends)).toEqual(['auto', ...BACKENDS.map(({ name }) => name)]);
  });
});

import { describe, expect, it } from 'vitest';
import { defaultSampler, samplerRefusal, samplerReplacement } from '../../../src/diffusion/model-sampler.js';
import { createPlan, SAMPLER_NAMES, type SamplerName } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';

const DPM = { _class_name: 'DPMSolverMultistepScheduler' };
const refused = (json: object) => {
  const config = parseSchedulerConfig(json);
  return SAMPLER_NAMES.filter((name) => samplerRefusal(config, name) !== null);
};

describe('a setting that a sampler cannot follow', () => {
  it.each<[string, object, SamplerName[]]>([
    ['dynamic thresholding', { thresholding: true }, ['ddim', 'ddpm', 'dpmpp-2m', 'lcm']],
    ['a solver of third order', { ...DPM, solver_order: 3 }, ['dpmpp-2m']],
    ['a solver of first order', { ...DPM, solver_order: 1 }, ['dpmpp-2m']],
    ['a stochastic solver', { ...DPM, algorithm_type: 'sde-dpmsolver++' }, ['dpmpp-2m']],
    ["Heun's rule", { ...DPM, solver_type: 'heun' }, ['dpmpp-2m']],
    ['learned variance', { variance_type: 'learned_range' }, ['ddpm']],
    ['beta sigmas', { use_beta_sigmas: true }, ['euler', 'dpmpp-2m']],
    ['exponential sigmas', { use_exponential_sigmas: true }, ['euler', 'dpmpp-2m']],
    ['Lu lambdas', { use_lu_lambdas: true }, ['dpmpp-2m']],
    ['the smallest sigma', { sigma_min: 0.002 }, ['euler', 'dpmpp-2m']],
    ['the largest sigma', { sigma_max: 80 }, ['euler', 'dpmpp-2m']],
    ['log-linear sigmas', { interpolation_type: 'log_linear' }, ['euler']],
    ['a clipped lambda', { lambda_min_clipped: -5.1 }, ['dpmpp-2m']],
  ])('refuses those samplers alone: %s', (_, json, samplers) => {
    const config = parseSchedulerConfig(json);
    expect(refused(json)).toEqual(samplers);
    for (const sampler of SAMPLER_NAMES) {
      const make = () => createPlan(config, { sampler, steps: 4 });
      if (!samplers.includes(sampler)) expect(make().steps).toBe(4);
      else
        expect(make).toThrow(
          expect.objectContaining({ code: 'OPTION_INVALID', issues: [{ option: 'sampler', ...any }] }),
        );
    }
  });

  it.each<object>([
    {
      thresholding: false,
      use_karras_sigmas: false,
      sigma_min: null,
      lambda_min_clipped: '-Infinity',
      solver_type: 'bh2',
      _class_name: 'UniPCMultistepScheduler',
    },
    { lambda_min_clipped: -Infinity },
    { ...DPM, algorithm_type: 'dpmsolver++', solver_order: 2, solver_type: 'midpoint' },
    // diffusers takes these for its own names too.
    { ...DPM, algorithm_type: 'deis', solver_type: 'logrho' },
    // Settings of another class are no concern of dpmpp-2m.
    { _class_name: 'UniPCMultistepScheduler', solver_order: 3 },
  ])('refuses nothing where it is off: %j', (json) => expect(refused(json)).toEqual([]));

  it('is named with what the sampler needs', () => {
    const config = parseSchedulerConfig({ ...DPM, solver_order: 3, use_lu_lambdas: true });
    expect(samplerRefusal(config, 'dpmpp-2m')).toBe(
      'scheduler_config.json has use_lu_lambdas true and solver_order 3; dpmpp-2m needs use_lu_lambdas false and solver_order 2',
    );
  });
});

const any = { expected: expect.any(String), received: expect.any(String) };

describe('the sampler of a model', () => {
  it.each([
    'DDIMScheduler',
    'DDPMScheduler',
    'DDIMParallelScheduler',
    'EulerDiscreteScheduler',
    'EulerAncestralDiscreteScheduler',
    'DPMSolverMultistepScheduler',
    'LCMScheduler',
  ])('is what %s does', (_class_name) => {
    expect(samplerReplacement(parseSchedulerConfig({ _class_name }))).toBeNull();
  });

  it.each([
    ['PNDMScheduler', 'ddim'],
    ['HeunDiscreteScheduler', 'euler'],
    ['KDPM2AncestralDiscreteScheduler', 'euler-a'],
    ['DEISMultistepScheduler', 'dpmpp-2m'],
    ['UniPCMultistepScheduler', 'dpmpp-2m'],
    ['DPMSolverSinglestepScheduler', 'dpmpp-2m'],
    ['DPMSolverSDEScheduler', 'dpmpp-2m'],
    ['TCDScheduler', 'ddim'],
  ])('stands in for %s, and it is said', (_class_name, sampler) => {
    const config = parseSchedulerConfig({ _class_name });
    expect(defaultSampler(config)).toBe(sampler);
    expect(samplerReplacement(config)).toBe(`This package has no ${_class_name}: ${sampler} is used in its place`);
  });

  it('is ddim for a class of another package that says its betas', () => {
    const config = parseSchedulerConfig({ _class_name: 'MyScheduler', beta_schedule: 'scaled_linear' });
    expect(config).toMatchObject({ betaSchedule: 'scaled_linear', clipSample: false });
    expect(defaultSampler(config)).toBe('ddim');
    expect(samplerReplacement(config)).toMatch(/no MyScheduler: ddim/);
  });

  it('is another one where a setting keeps its own from being used', () => {
    const config = parseSchedulerConfig({ ...DPM, solver_order: 3 });
    expect(defaultSampler(config)).toBe('ddim');
    expect(samplerReplacement(config)).toMatch(
      /solver_order 3; dpmpp-2m needs solver_order 2: ddim is used in its place/,
    );
    const everything = { thresholding: true, use_beta_sigmas: true, variance_type: 'learned' };
    expect(defaultSampler(parseSchedulerConfig(everything))).toBe('euler-a');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { denoise } from '../../../src/diffusion/loop.js';
import { ImageNoise } from '../../../src/diffusion/noise.js';
import { createPlan, type PlanOptions, ROW_LENGTH, resolveSigmas, SAMPLER_NAMES } from '../../../src/diffusion/plan.js';
import { SAMPLERS } from '../../../src/diffusion/samplers/index.js';
import { parseSchedulerConfig, type SchedulerConfig } from '../../../src/diffusion/schedule.js';
import { dpmSolverTimesteps, lcmTimesteps, spacedTimesteps } from '../../../src/diffusion/timesteps.js';
import { T2IError } from '../../../src/errors.js';
import { checksum, configOf, network, readGolden, type TrajectoryCase } from './golden.js';

describe('timesteps against diffusers', () => {
  for (const golden of readGolden<(TrajectoryCase & { checksums: number[] })[]>('timesteps')) {
    it(`${golden.sampler} ${JSON.stringify(golden.config)}, 1 to ${golden.steps} steps`, () => {
      const config = configOf(golden);
      for (const [i, expected] of golden.checksums.entries()) {
        const steps = i + 1;
        const timesteps = golden.sigmas
          ? createPlan(config, { sampler: golden.sampler, steps, sigmas: golden.sigmas }).timesteps
          : spaced(golden.sampler, config, steps);
        expect(checksum(timesteps), `${steps} steps`).toBe(expected);
      }
    });
  }
});

function spaced(sampler: PlanOptions['sampler'], config: SchedulerConfig, steps: number): Float32Array {
  if (sampler === 'lcm') return lcmTimesteps(config, steps);
  if (sampler === 'dpmpp-2m') return dpmSolverTimesteps(config, steps);
  return spacedTimesteps(config, steps, sampler === 'ddim' || sampler === 'ddpm');
}

describe('createPlan', () => {
  const config = parseSchedulerConfig({});

  it('fills a row of finite numbers for each step, timesteps never rising, the clean image at the end', () => {
    const cases = fc.record({
      sampler: fc.constantFrom(...SAMPLER_NAMES),
      steps: fc.integer({ min: 1, max: 60 }),
      karras: fc.boolean(),
      eta: fc.double({ min: 0, max: 1, noNaN: true }),
      spacing: fc.constantFrom('leading', 'trailing', 'linspace'),
      prediction: fc.constantFrom('epsilon', 'v_prediction', 'sample'),
      schedule: fc.constantFrom('linear', 'scaled_linear', 'squaredcos_cap_v2'),
      total: fc.integer({ min: 61, max: 1200 }),
      offset: fc.integer({ min: 0, max: 1 }),
      seed: fc.nat(),
    });
    return fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const schedule = parseSchedulerConfig({
          beta_schedule: one.schedule,
          timestep_spacing: one.spacing,
          prediction_type: one.prediction,
          num_train_timesteps: one.total,
          steps_offset: one.offset,
          original_inference_steps: 60,
        });
        const { acceptsKarras, acceptsEta } = SAMPLERS[one.sampler];
        const steps = Math.min(one.steps, one.total - 2);
        const plan = createPlan(schedule, {
          sampler: one.sampler,
          steps,
          sigmas: acceptsKarras && one.karras ? 'karras' : 'default',
          eta: acceptsEta ? one.eta : undefined,
        });
        expect(plan.timesteps.length).toBe(steps);
        expect(plan.rows.length).toBe(steps * ROW_LENGTH);
        expect(plan.rows.every(Number.isFinite)).toBe(true);
        for (let i = 1; i < steps; i++) {
          expect(plan.timesteps[i] as number).toBeLessThanOrEqual(plan.timesteps[i - 1] as number);
        }
        expect(plan.timesteps.every((t) => t >= 0 && t <= one.total)).toBe(true);
        expect(Math.abs(plan.rows[7] as number)).toBe(0);
        const noise = new ImageNoise(one.seed, 4);
        const latents = await denoise({
          plan,
          drawNoise: () => noise.next(),
          predict: async (x, t) => network(x, t),
        });
        expect(latents.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('recovers the clean latents in one go from a network that is always right', async () => {
    const clean = Float32Array.of(0.5, -1.5, 2, 0.1);
    for (const sampler of ['ddim', 'euler', 'dpmpp-2m', 'ddpm', 'euler-a', 'lcm'] as const) {
      const perfect = parseSchedulerConfig({
        prediction_type: 'sample',
        clip_sample: false,
        timestep_spacing: 'trailing',
      });
      const plan = createPlan(perfect, { sampler, steps: 8 });
      const noise = new ImageNoise(1, 4);
      const final = await denoise({
        plan,
        drawNoise: () => noise.next(),
        predict: async () => clean.slice(),
      });
      for (const [i, value] of clean.entries()) expect(final[i]).toBeCloseTo(value, 4);
    }
  });

  it('adds noise in a last step of ddpm whose timestep is above 0, and none at 0', () => {
    // alpha = 0.9, 0.8, 0.7, 0.6: alpha bar = 0.9, 0.72, 0.504, 0.3024.
    const rowsOf = (variance: string, offset: number) => {
      const schedule = { trained_betas: [0.1, 0.2, 0.3, 0.4], num_train_timesteps: 4, timestep_spacing: 'leading' };
      const config = parseSchedulerConfig({ ...schedule, variance_type: variance, steps_offset: offset });
      const { timesteps, rows } = createPlan(config, { sampler: 'ddpm', steps: 2 });
      return Array.from(timesteps, (timestep, i) => [timestep, ...rows.slice(i * ROW_LENGTH + 4, i * ROW_LENGTH + 7)]);
    };
    // Ho et al. 2020, equation 7: from 3 to 1 alpha is 0.6 * 0.7 and beta 0.58, from 1 to the clean image beta is 0.28.
    const [x0, x] = [(Math.sqrt(0.72) * 0.58) / 0.6976, (Math.sqrt(0.42) * 0.28) / 0.6976];
    const close = (rows: number[][], expected: number[][]) => {
      expect(rows.map(([timestep]) => timestep)).toEqual(expected.map(([timestep]) => timestep));
      for (const [i, value] of rows.flat().entries()) expect(value).toBeCloseTo(expected.flat()[i] as number, 6);
    };
    close(rowsOf('fixed_large', 1), [
      [3, x0, x, Math.sqrt(0.58)],
      [1, 1, 0, Math.sqrt(0.28)],
    ]);
    const small = rowsOf('fixed_small', 1);
    close(small, [
      [3, x0, x, Math.sqrt((0.28 / 0.6976) * 0.58)],
      [1, 1, 0, 1e-10],
    ]);
    // So little that no bit of an image shows it, but a block of noise is drawn for it, as diffusers draws one.
    expect(small[1]?.[3]).toBeGreaterThan(0);
    for (const variance of ['fixed_large', 'fixed_small']) expect(rowsOf(variance, 0)[1]).toEqual([0, 1, 0, 0]);
  });

  it('keeps two steps that share a timestep apart', () => {
    const cosine = parseSchedulerConfig({ beta_schedule: 'squaredcos_cap_v2' });
    const plan = createPlan(cosine, { sampler: 'dpmpp-2m', steps: 11, sigmas: 'karras' });
    expect(new Set(plan.timesteps).size).toBeLessThan(11);
    const rows = Array.from({ length: 11 }, (_, i) => plan.rows.slice(i * ROW_LENGTH, (i + 1) * ROW_LENGTH).join());
    expect(new Set(rows).size).toBe(11);
  });

  it('clamps for the samplers that clamp in diffusers, and only where the model says so', () => {
    const clips = parseSchedulerConfig({ clip_sample: true, clip_sample_range: 2 });
    const clipOf = (sampler: PlanOptions['sampler']) => createPlan(clips, { sampler, steps: 4 }).clip;
    expect(SAMPLER_NAMES.map(clipOf)).toEqual([2, 2, null, null, null, 2]);
    expect(createPlan(parseSchedulerConfig({ clip_sample: false }), { sampler: 'ddim', steps: 4 }).clip).toBeNull();
  });

  it('takes Karras sigmas from the model where the request does not say', () => {
    const karras = parseSchedulerConfig({ use_karras_sigmas: true, timestep_spacing: 'linspace' });
    const plan = (options: PlanOptions) => Array.from(createPlan(karras, options).timesteps);
    const asked = plan({ sampler: 'euler', steps: 5, sigmas: 'karras' });
    expect(plan({ sampler: 'euler', steps: 5 })).toEqual(asked);
    expect(plan({ sampler: 'euler', steps: 5, sigmas: 'default' })).not.toEqual(asked);
    expect(() => plan({ sampler: 'ddim', steps: 5 })).not.toThrow();
    const resolved = SAMPLER_NAMES.filter((sampler) => resolveSigmas(karras, { sampler }) === 'karras');
    expect(resolved, 'those that take them').toEqual(['euler', 'dpmpp-2m']);
    const plain = parseSchedulerConfig({ timestep_spacing: 'linspace' });
    expect(Array.from(createPlan(plain, { sampler: 'euler', steps: 5 }).timesteps)).not.toEqual(asked);
  });

  it('says which samplers take which options', () => {
    expect(SAMPLER_NAMES.filter((name) => SAMPLERS[name].acceptsKarras)).toEqual(['euler', 'dpmpp-2m']);
    expect(SAMPLER_NAMES.filter((name) => SAMPLERS[name].acceptsEta)).toEqual(['ddim']);
  });

  it.each<[string, object, string[]]>([
    ['an unknown sampler', { sampler: 'heun' }, ['sampler']],
    ['a name that every object has', { sampler: 'constructor' }, ['sampler']],
    ['no steps', { steps: 0 }, ['steps']],
    ['half a step', { steps: 1.5 }, ['steps']],
    ['more steps than training had', { steps: 1001 }, ['steps']],
    ['more steps than an LCM was distilled on', { sampler: 'lcm', steps: 51 }, ['steps']],
    ['Karras sigmas for ddim', { sigmas: 'karras' }, ['sigmas']],
    ['unknown sigmas', { sigmas: 'beta' }, ['sigmas']],
    ['eta for euler', { sampler: 'euler', eta: 0.5 }, ['eta']],
    ['eta beyond 1', { eta: 1.1 }, ['eta']],
    ['eta that is no number', { eta: Number.NaN }, ['eta']],
    ['eta below 0', { eta: -0.1 }, ['eta']],
    ['eta as text', { eta: '0.5' }, ['eta']],
    ['eta and Karras sigmas for no sampler', { sampler: 'heun', eta: 0.5, sigmas: 'karras' }, ['sampler']],
    ['everything at once', { sampler: 'euler-a', steps: -1, sigmas: 'karras', eta: 1 }, ['steps', 'sigmas', 'eta']],
  ])('refuses %s by name', (_, options, expected) => {
    try {
      createPlan(config, { sampler: 'ddim', steps: 10, ...options });
      expect.unreachable();
    } catch (error) {
      if (!T2IError.is(error)) throw error;
      expect(error.code).toBe('OPTION_INVALID');
      expect(error.issues.map((issue) => issue.option)).toEqual(expected);
    }
  });

  it('says what came, and which samplers take what this one does not', () => {
    const told = (options: object) => {
      try {
        createPlan(config, { sampler: 'ddim', steps: 10, ...options });
      } catch (error) {
        if (T2IError.is(error)) return error.issues.map(({ expected, received }) => `${expected}, not ${received}`);
      }
      return [];
    };
    expect(told({ sigmas: 'karras' })).toEqual([
      'default, since ddim has no Karras form (euler and dpmpp-2m have), not "karras"',
    ]);
    expect(told({ sampler: 'euler', eta: 0.5 })).toEqual(['0 or none, since euler has no eta (ddim has), not 0.5']);
    expect(told({ sampler: 'euler', eta: 0 })).toEqual([]);
    expect(told({ eta: 1 })).toEqual([]);
  });

  it('refuses steps whose offset leaves the training timesteps, for samplers that index them', () => {
    const offset = parseSchedulerConfig({ steps_offset: 1 });
    expect(() => createPlan(offset, { sampler: 'ddim', steps: 1000 })).toThrow(/steps_offset/);
    expect(() => createPlan(offset, { sampler: 'ddim', steps: 500 })).not.toThrow();
  });

  it('refuses epsilon prediction where the first step has no signal, and names the samplers that can', () => {
    const zero = parseSchedulerConfig({ rescale_betas_zero_snr: true, timestep_spacing: 'trailing' });
    expect(() => createPlan(zero, { sampler: 'ddim', steps: 10 })).toThrow(/euler, euler-a or dpmpp-2m/);
    expect(() => createPlan(zero, { sampler: 'euler', steps: 10 })).not.toThrow();
  });
});

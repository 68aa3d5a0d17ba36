import { describe, expect, it } from 'vitest';
import { alphasCumprod } from '../../../src/diffusion/betas.js';
import { defaultSampler } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';
import { T2IError } from '../../../src/errors.js';
import { readGolden } from './golden.js';

describe('alphasCumprod against diffusers', () => {
  for (const { config, alphasCumprod: encoded } of readGolden<
    { config: Record<string, unknown>; alphasCumprod: string }[]
  >('schedules')) {
    const { trained_betas: trained, ...rest } = config;
    it(JSON.stringify(Array.isArray(trained) ? { ...rest, trained_betas: trained.length } : config), () => {
      const bytes = Buffer.from(encoded, 'base64');
      const actual = alphasCumprod(parseSchedulerConfig(config));
      expect(actual.length).toBe(bytes.length / 4);
      for (const [i, value] of actual.entries()) {
        const expected = bytes.readFloatLE(i * 4);
        // Equal bit for bit, but for the square roots of the rescale, which PyTorch takes with its processor's vector code.
        if (config.rescale_betas_zero_snr) expect(Math.abs(value - expected)).toBeLessThanOrEqual(1e-6 * expected);
        else expect(value).toBe(expected);
      }
    });
  }
});

it('counts betas from the nearer end, the one in the middle from the last', () => {
  const config = { beta_schedule: 'linear', beta_start: 0.1, beta_end: 0.9, num_train_timesteps: 24 };
  // torch.cumprod(1 - torch.linspace(0.1, 0.9, 24), 0)[11:14]
  const [before, middle, after] = [0.013450019992887974, 0.0064910962246358395, 0.0029068822041153908];
  expect([...alphasCumprod(parseSchedulerConfig(config)).subarray(11, 14)]).toEqual([before, middle, after]);
});

describe('parseSchedulerConfig', () => {
  it('fills in the defaults of the class', () => {
    expect(parseSchedulerConfig({ _class_name: 'DDIMScheduler' })).toMatchObject({
      numTrainTimesteps: 1000,
      betaSchedule: 'linear',
      betaStart: 0.0001,
      betaEnd: 0.02,
      timestepSpacing: 'leading',
      clipSample: true,
      setAlphaToOne: true,
      predictionType: 'epsilon',
    });
    expect(parseSchedulerConfig({})).toMatchObject({
      rescaleBetasZeroSnr: false,
      useKarrasSigmas: false,
      lowerOrderFinal: true,
      eulerAtFinal: false,
      varianceType: 'fixed_small',
      trainedBetas: null,
    });
    expect(parseSchedulerConfig({ _class_name: 'EulerDiscreteScheduler' })).toMatchObject({
      timestepSpacing: 'linspace',
      clipSample: false,
    });
    expect(parseSchedulerConfig({ _class_name: 'PNDMScheduler' })).toMatchObject({
      setAlphaToOne: false,
      clipSample: false,
    });
    expect(parseSchedulerConfig({ _class_name: 'LCMScheduler' })).toMatchObject({
      betaSchedule: 'scaled_linear',
      betaStart: 0.00085,
      originalInferenceSteps: 50,
      timestepScaling: 10,
    });
  });

  it('reads the file of Stable Diffusion 1.5', () => {
    const json = {
      _class_name: 'PNDMScheduler',
      _diffusers_version: '0.6.0',
      beta_end: 0.012,
      beta_schedule: 'scaled_linear',
      beta_start: 0.00085,
      num_train_timesteps: 1000,
      set_alpha_to_one: false,
      skip_prk_steps: true,
      steps_offset: 1,
      trained_betas: null,
      clip_sample: false,
    };
    const config = parseSchedulerConfig(json);
    expect(config).toMatchObject({
      betaSchedule: 'scaled_linear',
      stepsOffset: 1,
      clipSample: false,
      setAlphaToOne: false,
    });
    expect(defaultSampler(config)).toBe('ddim');
  });

  it.each([
    ['DDIMScheduler', 'ddim'],
    ['DDPMScheduler', 'ddpm'],
    ['EulerDiscreteScheduler', 'euler'],
    ['EulerAncestralDiscreteScheduler', 'euler-a'],
    ['DPMSolverMultistepScheduler', 'dpmpp-2m'],
    ['UniPCMultistepScheduler', 'dpmpp-2m'],
    ['LCMScheduler', 'lcm'],
  ])('stands %s for %s', (className, sampler) => {
    expect(defaultSampler(parseSchedulerConfig({ _class_name: className }))).toBe(sampler);
  });

  it('names every wrong field at once', () => {
    const json = {
      num_train_timesteps: 0,
      beta_start: 'small',
      beta_schedule: 'sigmoid',
      prediction_type: 'flow_prediction',
      clip_sample: 1,
      steps_offset: 1.5,
    };
    expect(issuesOf(json)).toEqual([
      'num_train_timesteps',
      'beta_schedule',
      'beta_start',
      'prediction_type',
      'steps_offset',
      'clip_sample',
    ]);
  });

  it.each([
    ['FlowMatchEulerDiscreteScheduler', { _class_name: 'FlowMatchEulerDiscreteScheduler' }, ['_class_name']],
    ['a class name that is on every object', { _class_name: 'constructor' }, ['_class_name']],
    ['a class name that is no name', { _class_name: 'a\nb', beta_start: 0.1 }, ['_class_name']],
    ['a class of flows', { use_flow_sigmas: true }, ['use_flow_sigmas']],
    ['continuous timesteps', { timestep_type: 'continuous' }, ['timestep_type']],
    ['too few betas', { trained_betas: [0.1], num_train_timesteps: 2 }, ['trained_betas']],
    ['betas that are no numbers', { trained_betas: ['x'], num_train_timesteps: 1 }, ['trained_betas']],
    ['trained_betas without betas', { beta_schedule: 'trained_betas' }, ['beta_schedule']],
    ['a schedule that fills memory', { num_train_timesteps: 1e9 }, ['num_train_timesteps']],
  ])('refuses %s', (_, json, fields) => expect(issuesOf(json)).toEqual(fields));

  it.each([null, 3, 'x', [], undefined])('refuses %j, which is no object', (json) => {
    expect(() => parseSchedulerConfig(json)).toThrow(/expected a JSON object/);
  });

  it('takes an offset as far as the schedule goes, and none beyond', () => {
    expect(parseSchedulerConfig({ num_train_timesteps: 10, steps_offset: 10 }).stepsOffset).toBe(10);
    expect(issuesOf({ num_train_timesteps: 10, steps_offset: 11 })).toEqual(['steps_offset']);
  });

  it('names the schedules that there are, and given betas only where they are given', () => {
    const named = (json: object) => () => parseSchedulerConfig({ beta_schedule: 'sigmoid', ...json });
    const usual = 'expected one of linear, scaled_linear, squaredcos_cap_v2';
    expect(named({})).toThrow(`${usual}, received`);
    expect(named({ trained_betas: [0.1], num_train_timesteps: 1 })).toThrow(`${usual}, trained_betas, received`);
  });

  it('takes betas that are given as the schedule', () => {
    const given = { trained_betas: [0.1, 0.2], beta_schedule: 'trained_betas', num_train_timesteps: 2 };
    expect(parseSchedulerConfig(given)).toMatchObject({ betaSchedule: 'trained_betas', trainedBetas: [0.1, 0.2] });
  });

  it('takes the settings of the other samplers as they are written when off', () => {
    const off = {
      thresholding: false,
      use_karras_sigmas: false,
      sigma_min: null,
      lambda_min_clipped: '-Infinity',
      solver_type: 'bh2',
    };
    expect(issuesOf({ ...off, _class_name: 'UniPCMultistepScheduler' })).toEqual([]);
    expect(issuesOf({ lambda_min_clipped: -Infinity })).toEqual([]);
  });
});

function issuesOf(json: unknown): string[] {
  try {
    parseSchedulerConfig(json);
    return [];
  } catch (error) {
    if (!T2IError.is(error) || error.code !== 'MODEL_INVALID') throw error;
    expect(error.issues.every((issue) => error.message.includes(issue.option))).toBe(true);
    return error.issues.map((issue) => issue.option.replace('scheduler_config.json: ', ''));
  }
}

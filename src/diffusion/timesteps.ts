import type { SchedulerConfig } from './schedule.js';

/**
 * Timesteps of `ddim`, `ddpm` (whole numbers) and `euler`, `euler-a` (fractional for linspace), first to last: Table 2 of
 * Lin et al. 2023 (Common Diffusion Noise Schedules and Sample Steps are Flawed), rounded as diffusers does.
 *
 * @param whole whether the sampler indexes training timesteps, so that linspace must round
 * @returns length `steps`, each 0 to `numTrainTimesteps - 1`, plus `stepsOffset` for leading
 */
export function spacedTimesteps(config: SchedulerConfig, steps: number, whole: boolean): Float32Array {
  const total = config.numTrainTimesteps;
  switch (config.timestepSpacing) {
    case 'leading':
      return leading(Math.floor(total / steps), steps, config.stepsOffset);
    case 'trailing':
      return trailing(total, steps);
    case 'linspace': {
      const values = linspace(total - 1, steps);
      return Float32Array.from({ length: steps }, (_, i) => {
        const value = values(steps - 1 - i);
        return whole ? roundHalfEven(value) : value;
      });
    }
  }
}

/**
 * Timesteps of `dpmpp-2m`: the step after the last one counts as a step of its own, so leading and linspace divide by `steps + 1`.
 *
 * @returns length `steps`
 */
export function dpmSolverTimesteps(config: SchedulerConfig, steps: number): Float32Array {
  const total = config.numTrainTimesteps;
  switch (config.timestepSpacing) {
    case 'leading': {
      const ratio = Math.floor(total / (steps + 1));
      return leading(ratio, steps, config.stepsOffset + ratio);
    }
    case 'trailing':
      return trailing(total, steps);
    case 'linspace': {
      const values = linspace(total - 1, steps + 1);
      return Float32Array.from({ length: steps }, (_, i) => roundHalfEven(values(steps - i)));
    }
  }
}

/**
 * Timesteps of `lcm`: evenly spaced by index over the schedule that the model was distilled on (Luo et al. 2023, section 4.3).
 *
 * @returns length `steps`
 */
export function lcmTimesteps(config: SchedulerConfig, steps: number): Float32Array {
  const original = config.originalInferenceSteps;
  const stride = Math.floor(config.numTrainTimesteps / original);
  const spacing = original / steps;
  return Float32Array.from({ length: steps }, (_, i) => (original - Math.floor(i * spacing)) * stride - 1);
}

/** Python's and numpy's rounding: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function leading(ratio: number, steps: number, offset: number): Float32Array {
  return Float32Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + offset);
}

/** For some numbers of steps diffusers' rounding yields one timestep more, -1, which no model was trained for: it is left out. */
function trailing(total: number, steps: number): Float32Array {
  // numpy.arange adds multiples of the difference of its first two elements, which decides how halves round.
  const delta = total - total / steps - total;
  return Float32Array.from({ length: steps }, (_, i) => roundHalfEven(total + i * delta) - 1);
}

/** Element i of numpy.linspace(0, last, count); the last one is whole, so that float32 makes it exact. */
function linspace(last: number, count: number): (i: number) => number {
  const step = count > 1 ? last / (count - 1) : 0;
  return (i) => i * step;
}

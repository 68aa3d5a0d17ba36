import type { SchedulerConfig } from '../schedule.js';
import { karrasSigmas, preservingFactors, sigmaAt, sigmaToTimestep, trainingSigmas } from '../sigmas.js';
import { spacedTimesteps } from '../timesteps.js';

/** Timesteps and sigmas of the samplers that think in sigma: `sigmas` has one element more, the noise left at the end. */
export interface SigmaSteps {
  readonly timesteps: Float32Array;
  readonly sigmas: Float32Array;
  readonly initScale: number;
}

/** Steps of `euler` and `euler-a`. Karras sigmas span the sigmas of the first and the last spaced timestep. */
export function eulerSteps(
  config: SchedulerConfig,
  steps: number,
  options: { readonly karras: boolean; readonly finalSigma: 'zero' | 'sigma_min' },
): SigmaSteps {
  const training = trainingSigmas(config);
  let timesteps = spacedTimesteps(config, steps, false);
  let sigmas = Array.from(timesteps, (timestep) => sigmaAt(training, timestep));
  if (options.karras) {
    const logSigmas = training.map(Math.log);
    sigmas = karrasSigmas(sigmas[steps - 1] as number, sigmas[0] as number, steps);
    timesteps = Float32Array.from(sigmas, (sigma) => sigmaToTimestep(sigma, logSigmas));
  }
  const first = Math.fround(sigmas[0] as number);
  return {
    timesteps,
    sigmas: Float32Array.from([...sigmas, finalSigma(training, options.finalSigma)]),
    // diffusers starts from noise * sigma, which is this much in variance-preserving form, but for leading from noise * sqrt(1 + sigma^2).
    initScale: config.timestepSpacing === 'leading' ? 1 : preservingFactors(first).noise,
  };
}

export function finalSigma(training: Float32Array, type: SchedulerConfig['finalSigmasType']): number {
  return type === 'zero' ? 0 : (training[0] as number);
}

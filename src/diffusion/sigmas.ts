import { alphasCumprod } from './betas.js';
import type { SchedulerConfig } from './schedule.js';

const f32 = Math.fround;

/** Ratio of noise to signal that samplers in sigma form use for the last step of a zero-terminal-SNR schedule, where it is infinite. */
const TERMINAL_ALPHA_BAR = 2 ** -24;

/**
 * sigma = sqrt((1 - alphaBar) / alphaBar) of every training timestep (Karras et al. 2022, appendix C.3.4).
 *
 * @returns float32, ascending, length `numTrainTimesteps`
 */
export function trainingSigmas(config: SchedulerConfig): Float32Array {
  const alphaBars = alphasCumprod(config);
  if (config.rescaleBetasZeroSnr) alphaBars[alphaBars.length - 1] = TERMINAL_ALPHA_BAR;
  return alphaBars.map((alphaBar) => Math.sqrt(f32(f32(1 - alphaBar) / alphaBar)));
}

/** Sigma at a fractional timestep, linear between neighbours and constant beyond the ends. */
export function sigmaAt(sigmas: Float32Array, timestep: number): number {
  const last = sigmas.length - 1;
  const low = Math.min(Math.max(Math.floor(timestep), 0), last);
  const below = sigmas[low] as number;
  if (low === last) return below;
  return ((sigmas[low + 1] as number) - below) * Math.max(timestep - low, 0) + below;
}

/**
 * Karras et al. 2022, equation 5, with rho = 7.
 *
 * @returns `steps` sigmas from `max` down to `min`
 */
export function karrasSigmas(min: number, max: number, steps: number): number[] {
  const rho = 7;
  const low = min ** (1 / rho);
  const high = max ** (1 / rho);
  return Array.from({ length: steps }, (_, i) => (high + (steps > 1 ? i / (steps - 1) : 0) * (low - high)) ** rho);
}

/** Fractional training timestep whose sigma is `sigma`, linear in log sigma; the inverse of {@link sigmaAt} but for that. */
export function sigmaToTimestep(sigma: number, logSigmas: Float32Array): number {
  const logSigma = Math.log(Math.max(sigma, 1e-10));
  let index = 0;
  let above = Math.max(logSigmas.length - 1, 1);
  while (above - index > 1) {
    const middle = (index + above) >> 1;
    if (logSigma >= (logSigmas[middle] as number)) index = middle;
    else above = middle;
  }
  const low = logSigmas[index] as number;
  const high = logSigmas[index + 1] ?? low;
  const weight = Math.min(Math.max((low - logSigma) / f32(low - high), 0), 1);
  return (1 - weight) * index + weight * (index + 1);
}

/** Signal and noise factors of the variance-preserving latents at `sigma`: alpha = 1 / sqrt(1 + sigma^2), and sigma * alpha. */
export function preservingFactors(sigma: number): { alpha: number; noise: number } {
  const alpha = 1 / Math.sqrt(1 + sigma * sigma);
  return { alpha, noise: sigma * alpha };
}

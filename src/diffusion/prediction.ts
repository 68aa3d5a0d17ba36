import type { SchedulerConfig } from './schedule.js';

/** x0 = x0FromX * x + x0FromOut * out and eps = epsFromX * x + epsFromOut * out: k0 to k3 of a plan row. */
export interface Prediction {
  readonly x0FromX: number;
  readonly x0FromOut: number;
  readonly epsFromX: number;
  readonly epsFromOut: number;
}

/**
 * What the network's output says about the clean latents and the noise in x = alpha * x0 + noise * eps.
 * Epsilon: DDPM (Ho et al. 2020, equation 15). v = alpha * eps - noise * x0: Salimans and Ho 2022, section 4 and appendix D.
 *
 * @param alpha sqrt(alphaBar)
 * @param noise sqrt(1 - alphaBar)
 */
export function prediction(type: SchedulerConfig['predictionType'], alpha: number, noise: number): Prediction {
  switch (type) {
    case 'epsilon':
      return { x0FromX: 1 / alpha, x0FromOut: -noise / alpha, epsFromX: 0, epsFromOut: 1 };
    case 'sample':
      return { x0FromX: 0, x0FromOut: 1, epsFromX: 1 / noise, epsFromOut: -alpha / noise };
    case 'v_prediction':
      return { x0FromX: alpha, x0FromOut: -noise, epsFromX: noise, epsFromOut: alpha };
  }
}

import { alphasCumprod } from '../betas.js';
import { prediction } from '../prediction.js';
import { lcmTimesteps } from '../timesteps.js';
import { EPS_IS_X, type Row, type Sampler } from './sampler.js';

/** sigma_data of the boundary condition. */
const SIGMA_DATA = 0.5;

/**
 * Multistep sampling of Latent Consistency Models (Luo et al. 2023, algorithm 3): the consistency function of equation 9 with the
 * boundary condition of Song et al. 2023 (Consistency Models, appendix C), then fresh noise up to the next timestep.
 */
export const lcm: Sampler = {
  acceptsEta: false,
  acceptsKarras: false,
  clips: true,
  indexesTraining: true,
  maxSteps: (config) => Math.min(config.originalInferenceSteps, config.numTrainTimesteps),

  trajectory(config, { steps }) {
    const alphaBars = alphasCumprod(config);
    const timesteps = lcmTimesteps(config, steps);
    const rows = Array.from(timesteps, (timestep, i): Row => {
      const alphaBar = alphaBars[timestep] as number;
      const alphaBarNext = i + 1 < steps ? (alphaBars[timesteps[i + 1] as number] as number) : 1;
      const p = prediction(config.predictionType, Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar));
      const scaled = timestep * config.timestepScaling;
      const skip = SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2);
      const out = scaled / Math.sqrt(scaled ** 2 + SIGMA_DATA ** 2);
      const signal = Math.sqrt(alphaBarNext);
      return [p.x0FromX, p.x0FromOut, ...EPS_IS_X, signal * out, signal * skip, Math.sqrt(1 - alphaBarNext), 0];
    });
    return { timesteps, rows, initScale: 1 };
  },
};

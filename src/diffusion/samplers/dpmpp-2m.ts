import { prediction } from '../prediction.js';
import type { SchedulerConfig } from '../schedule.js';
import { karrasSigmas, sigmaAt, sigmaToTimestep, trainingSigmas } from '../sigmas.js';
import { dpmSolverTimesteps, roundHalfEven } from '../timesteps.js';
import { EPS_IS_X, type Row, type Sampler } from './sampler.js';
import { finalSigma } from './sigma-steps.js';

const f32 = Math.fround;

/** With fewer steps than this the last step is of first order where the config says `lower_order_final`. */
const FEW_STEPS = 15;

/** DPM-Solver++(2M) (Lu et al. 2022b), algorithm 2 with the midpoint rule; its first-order step is equation 3.9, DDIM. */
export const dpmpp2m: Sampler = {
  acceptsEta: false,
  acceptsKarras: true,
  clips: false,
  indexesTraining: false,
  // Leading spacing divides by one step more than there are.
  maxSteps: ({ numTrainTimesteps: total, timestepSpacing }) =>
    timestepSpacing === 'leading' ? Math.max(total - 1, 1) : total,

  trajectory(config, { steps, sigmas: kind }) {
    const { timesteps, sigmas } = solverSteps(config, steps, kind === 'karras');
    const points = Array.from(sigmas, solverPoint);
    const rows = Array.from(timesteps, (_, i): Row => {
      const [previous, from, to] = [points[i - 1], points[i] as SolverPoint, points[i + 1] as SolverPoint];
      const p = prediction(config.predictionType, from.alpha, from.noise);
      const predicted = [p.x0FromX, p.x0FromOut, ...EPS_IS_X] as const;
      const h = f32(to.lambda - from.lambda);
      const fromX = to.noise / from.noise;
      const fromX0 = -f32(to.alpha * f32(f32(Math.exp(-h)) - 1));
      // Two steps may have one sigma: there h is 0, and the step after it has nothing to extrapolate over.
      const h0 = previous === undefined ? 0 : f32(from.lambda - previous.lambda);
      const firstOrder = h0 === 0 || (i === steps - 1 && endsInFirstOrder(config, steps));
      const extrapolation = firstOrder ? 0 : 0.5 / f32(h0 / h);
      return [...predicted, fromX0 * (1 + extrapolation), fromX, 0, -fromX0 * extrapolation];
    });
    return { timesteps, rows, initScale: 1 };
  },
};

function endsInFirstOrder(config: SchedulerConfig, steps: number): boolean {
  return config.finalSigmasType === 'zero' || config.eulerAtFinal || (config.lowerOrderFinal && steps < FEW_STEPS);
}

/** alpha and noise factor of the latents and lambda = log(alpha / noise), in float32 as in the reference, whose h is their difference. */
interface SolverPoint {
  readonly alpha: number;
  readonly noise: number;
  readonly lambda: number;
}

function solverPoint(sigma: number): SolverPoint {
  const alpha = f32(1 / f32(Math.sqrt(f32(f32(sigma * sigma) + 1))));
  const noise = f32(sigma * alpha);
  return { alpha, noise, lambda: f32(f32(Math.log(alpha)) - f32(Math.log(noise))) };
}

/** Karras sigmas span the whole training schedule here, and their timesteps are whole numbers: two may be the same. */
function solverSteps(
  config: SchedulerConfig,
  steps: number,
  karras: boolean,
): { timesteps: Float32Array; sigmas: Float32Array } {
  const training = trainingSigmas(config);
  const last = finalSigma(training, config.finalSigmasType);
  if (!karras) {
    const timesteps = dpmSolverTimesteps(config, steps);
    return {
      timesteps,
      sigmas: Float32Array.from([...timesteps.map((timestep) => sigmaAt(training, timestep)), last]),
    };
  }
  const logSigmas = training.map(Math.log);
  const sigmas = karrasSigmas(training[0] as number, training[training.length - 1] as number, steps);
  const whole = config.betaSchedule === 'squaredcos_cap_v2' ? Math.trunc : roundHalfEven;
  const timesteps = Float32Array.from(sigmas, (sigma) => whole(sigmaToTimestep(sigma, logSigmas)));
  return { timesteps, sigmas: Float32Array.from([...sigmas, last]) };
}

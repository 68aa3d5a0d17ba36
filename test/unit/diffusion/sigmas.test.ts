import { describe, expect, it } from 'vitest';
import { sigmaToTimestep } from '../../../src/diffusion/sigmas.js';

describe('the timestep of a sigma', () => {
  const logSigmas = Float32Array.of(-2, -1, 0, 1);

  it('is that of its neighbours, linear in log sigma', () => {
    expect([-2, -1, 0, 1].map((log) => sigmaToTimestep(Math.exp(log), logSigmas))).toEqual([0, 1, 2, 3]);
    expect(sigmaToTimestep(Math.exp(-0.75), logSigmas)).toBeCloseTo(1.25, 6);
    expect(sigmaToTimestep(Math.exp(0.5), logSigmas)).toBeCloseTo(2.5, 6);
  });

  it('is the first or the last beyond them', () => {
    expect([0, 1e-20, Math.exp(-3)].map((sigma) => sigmaToTimestep(sigma, logSigmas))).toEqual([0, 0, 0]);
    expect(sigmaToTimestep(Math.exp(5), logSigmas)).toBe(3);
  });
});

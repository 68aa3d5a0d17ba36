import { describe, expect, it } from 'vitest';
import { type DenoiseOptions, denoise } from '../../../src/diffusion/loop.js';
import { ImageNoise } from '../../../src/diffusion/noise.js';
import { createPlan } from '../../../src/diffusion/plan.js';
import { parseSchedulerConfig } from '../../../src/diffusion/schedule.js';
import { network } from './golden.js';

const LATENT_SIZE = 20;
const config = parseSchedulerConfig({ _class_name: 'EulerDiscreteScheduler' });
const plan = createPlan(config, { sampler: 'euler-a', steps: 4 });
const drawn = (): (() => Float32Array) => {
  const noise = new ImageNoise(5, LATENT_SIZE);
  return () => noise.next();
};
const run = (options: Omit<DenoiseOptions, 'plan' | 'drawNoise'>, drawNoise = drawn()) =>
  denoise({ plan, drawNoise, ...options });
const predict = async (x: Float32Array, timestep: number) => network(x, timestep);

describe('denoise', () => {
  it('starts from the noise times initScale and tells the network each timestep', async () => {
    const seen: number[] = [];
    let first: Float32Array | undefined;
    await run({
      predict: (x, timestep, index) => {
        first ??= x.slice();
        expect(index).toBe(seen.length);
        seen.push(timestep);
        return predict(x, timestep);
      },
    });
    expect(plan.initScale).not.toBe(1);
    expect(first).toEqual(drawn()().map((value) => value * plan.initScale));
    expect(seen).toEqual(Array.from(plan.timesteps));
  });

  it('draws a block for the first latents and one for each row that adds noise, when the row comes', async () => {
    const order: string[] = [];
    const draw = drawn();
    const drawNoise = () => {
      order.push('draw');
      return draw();
    };
    const onStep = (done: number) => void order.push(`done ${done}`);
    await run({ predict, onStep }, drawNoise);
    expect(order).toEqual(['draw', 'draw', 'done 1', 'draw', 'done 2', 'draw', 'done 3', 'done 4']);
  });

  it('ends at the x0 of the last step where no noise is left, and leaves its inputs alone', async () => {
    const draw = drawn();
    const noise: Float32Array[] = [];
    const drawNoise = () => {
      const block = draw();
      noise.push(block);
      return block;
    };
    const estimates: Float32Array[] = [];
    const final = await run({ predict, onStep: (_, x0) => void estimates.push(x0.slice()) }, drawNoise);
    expect(estimates.length).toBe(4);
    expect(final).toEqual(estimates[3]);
    expect(final).not.toEqual(estimates[0]);
    const again = drawn();
    expect(noise).toEqual(noise.map(() => again()));
  });

  it('gives one image for one seed, run after run', async () => {
    expect(await run({ predict })).toEqual(await run({ predict }));
  });

  it('waits for onStep and counts the steps from 1', async () => {
    const order: string[] = [];
    await run({
      predict: (x, timestep, index) => {
        order.push(`predict ${index}`);
        return predict(x, timestep);
      },
      onStep: async (done) => {
        await new Promise(setImmediate);
        order.push(`done ${done}`);
      },
    });
    expect(order).toEqual([0, 1, 2, 3].flatMap((i) => [`predict ${i}`, `done ${i + 1}`]));
  });

  it('stops before the next network call with the reason of the signal', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let calls = 0;
    const running = run({
      signal: controller.signal,
      predict: (x, timestep) => {
        calls += 1;
        if (calls === 2) controller.abort(reason);
        return predict(x, timestep);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(calls).toBe(2);
    await expect(run({ predict, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

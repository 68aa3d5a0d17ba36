import { describe, expect, it } from 'vitest';
import { guidanceEmbedding } from '../../../src/diffusion/guidance-embedding.js';

// What LatentConsistencyModelPipeline.get_guidance_scale_embedding of diffusers gives for the scale less one.
const DIFFUSERS: [scale: number, values: number[]][] = [
  [
    7.5,
    [
      ...[-0.04478473961353302, 0.11018915474414825, 0.9911232590675354, 0.6051863431930542],
      ...[-0.9989966750144958, 0.9939106106758118, 0.13294602930545807, 0.7960838675498962],
    ],
  ],
  [1, [0, 0, 1, 1]],
  [2.25, [-0.3465363681316376, 0.1246747151017189, 0.9380365610122681, 0.9921976923942566, 0]],
];

describe('the guidance embedding', () => {
  it.each(DIFFUSERS)('of %s is that of diffusers', (scale, values) => {
    const actual = guidanceEmbedding(scale, values.length);
    expect(actual).toHaveLength(values.length);
    for (const [i, value] of values.entries()) expect(actual[i]).toBeCloseTo(value, 5);
  });
});

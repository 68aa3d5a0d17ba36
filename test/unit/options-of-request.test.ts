import { describe, expect, it } from 'vitest';
import { optionsOfRequest, parseRequest, type RequestLimits } from '../../src/options.js';
import { LIMITS } from '../support/request-limits.js';

const limits: RequestLimits = {
  ...LIMITS,
  replacement: 'ddim stands in for PNDM',
  presets: { fast: { steps: 8, sampler: 'euler', guidanceScale: 2 } },
};

describe('the options of a checked request', () => {
  it.each([
    {},
    { preset: 'fast', sigmas: 'karras' as const },
    { sampler: 'ddim', eta: 0.5, steps: 7, guidanceScale: 1, negativePrompt: 'a dog' },
    { width: 64, height: 256, preview: 3 },
    { preview: true },
  ])('give the same request again: %o', (options) => {
    const request = parseRequest({ prompt: 'a cat', seed: 7, ...options }, limits);
    expect(parseRequest(optionsOfRequest(request, 7), limits)).toEqual(request);
  });
});

import type { EngineOptions } from '../../src/backends/tensorrt/engines/engine-options.js';
import { engineFolder } from './engines.js';
import { toyReference } from './toy-networks.js';

export const SMALL = { batch: 1, height: 4, width: 4 };
export const PROFILE = { min: SMALL, opt: SMALL, max: { ...SMALL, batch: 2 } };

/** Small engines in a folder of their own, checked against the toy networks in TypeScript. */
export function smallEngines(): Omit<EngineOptions, 'model' | 'addon' | 'library' | 'device'> {
  return {
    computeCapabilities: [],
    profile: PROFILE,
    dir: engineFolder(),
    verifyEngines: true,
    timingCache: null,
    reference: toyReference,
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

import { setImmediate } from 'node:timers/promises';
import type { NativeAddon, NativeStepArrays } from '../../../backends/tensorrt/native.js';
import type { Finding } from './check.js';

/** Values of one launch of the kernel. */
const LENGTH = 4096;
/** Where rounding, overflow and comparison go wrong first: zeros, the smallest denormals and normals, the largest, infinities, NaN. */
const CORNERS = [0, -0, 1, -1, 2 ** -149, -(2 ** -149), 2 ** -127, 2 ** -126, 1 - 2 ** -24, 3.4e38, -3.4e38];
const SPECIAL = [...CORNERS, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

/** One row with each term of the update on and off, and one that overflows. */
const ROWS: readonly (readonly number[])[] = [
  [1.0012, -0.0487, 0, 1, 0.9994, 0.0343, 0, 0],
  [3.7, -3.6, 0, 1, 0.9, 0.43, 0.31, 0],
  [0.27, -0.96, 0.96, 0.27, 1.2, 0, 0, -0.4],
  [1, 0, 1, 0, 0.5, 0.5, 2 ** -130, 2 ** -20],
  [3e38, 3e38, -3e38, 3e38, 1, 1, 1, 1],
];

type StepFunctions = Pick<NativeAddon, 'stepHost' | 'stepDevice'>;

/**
 * Compares the device's kernel with the host function of native/base/step.h on every row, with and without guidance and clamp. Bits are
 * compared; any NaN equals any NaN, since IEEE 754 leaves its sign and payload open.
 */
export async function checkStep(addon: StepFunctions, device: number): Promise<Finding> {
  let compared = 0;
  let different = 0;
  let first = '';
  for (const [index, row] of ROWS.entries()) {
    for (const guided of [false, true]) {
      for (const clip of [null, 1]) {
        const host = arrays(row, guided, clip, 1 + index);
        const kernel = arrays(row, guided, clip, 1 + index);
        addon.stepHost(host);
        addon.stepDevice(kernel, device);
        for (const name of ['x', 'x0'] as const) {
          const places = differences(host[name], kernel[name]);
          compared += LENGTH;
          different += places.length;
          const [place] = places;
          if (place === undefined || first !== '') continue;
          first = `; first ${name}[${place}] of row ${index}: host ${host[name][place]}, GPU ${kernel[name][place]}`;
        }
        // A launch blocks; between two of them an interruption may be noticed.
        await setImmediate();
      }
    }
  }
  const detail = `${different} of ${compared} values differ in any bit from the host function${first}`;
  return { ok: different === 0, detail, numbers: { compared, different } };
}

function arrays(row: readonly number[], guided: boolean, clip: number | null, seed: number): NativeStepArrays {
  const next = numbers(seed);
  const fill = () => Float32Array.from({ length: LENGTH }, next);
  return {
    row: Float32Array.from(row),
    x: fill(),
    x0: fill(),
    conditional: fill(),
    unconditional: guided ? fill() : null,
    guidanceScale: 7.5,
    noise: fill(),
    clip,
  };
}

/** A stream of test values, the same for the same seed: one in four is a special one, the rest spread over many magnitudes. */
function numbers(seed: number): () => number {
  let state = seed;
  // xorshift32 (Marsaglia 2003, Journal of Statistical Software 8:14).
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return () => {
    const bits = random();
    if (bits % 4 === 0) return SPECIAL[random() % SPECIAL.length] as number;
    return (random() / 2 ** 31 - 1) * 2 ** ((bits % 24) - 16);
  };
}

function differences(a: Float32Array, b: Float32Array): number[] {
  return [...a.keys()].filter((i) => !Object.is(a[i], b[i]));
}

import type { PixelDifference } from '../image/compare.js';

/** Most that two images may differ by and still count as the same; each bound holds by itself. */
export type Bounds = Pick<PixelDifference, 'meanAbs' | 'blockMeanAbs' | 'maxAbs'>;

/**
 * How far a file may be from the image made again. Plans and noise are the same bits on every machine, networks are not: other
 * processors and runtimes round otherwise.
 *
 * `lossless` is compared with the image itself. A JPEG or WebP is compared with the image encoded alike, and may differ by `floor`
 * plus `share` of what that encoding itself changed: where rounding tips a coefficient over, a whole quantisation step follows, and
 * WebP then decides other blocks otherwise as well. `most` bounds the sum.
 *
 * `benchmarks/verify-margins.mjs` measures what lies on both sides of each bound; the guide has its numbers.
 */
export const TOLERANCE = {
  lossless: { meanAbs: 0.4, blockMeanAbs: 2, maxAbs: 12 },
  jpeg: {
    floor: { meanAbs: 0.4, blockMeanAbs: 1, maxAbs: 8 },
    share: { meanAbs: 0, blockMeanAbs: 1, maxAbs: 1 },
    most: { meanAbs: 0.4, blockMeanAbs: 20, maxAbs: 60 },
  },
  webp: {
    floor: { meanAbs: 0.4, blockMeanAbs: 1, maxAbs: 8 },
    share: { meanAbs: 0.45, blockMeanAbs: 1, maxAbs: 1 },
    most: { meanAbs: 1.65, blockMeanAbs: 20, maxAbs: 60 },
  },
} as const satisfies { lossless: Bounds } & Record<'jpeg' | 'webp', Record<'floor' | 'share' | 'most', Bounds>>;

/** Below this quality a WebP keeps so little that its share would also let another seed pass; then the mean's floor alone holds. */
const LEAST_QUALITY = 30;

const NAMES = ['meanAbs', 'blockMeanAbs', 'maxAbs'] as const;

/**
 * @param quality 1 to 100, as it was found from the file
 * @param codec what encoding alike changed of the image made again
 */
export function lossyBounds(format: 'jpeg' | 'webp', quality: number, codec: Bounds): Bounds {
  const { floor, share, most } = TOLERANCE[format];
  const bound = (name: keyof Bounds) => Math.min(floor[name] + share[name] * codec[name], most[name]);
  const meanAbs = quality < LEAST_QUALITY ? floor.meanAbs : bound('meanAbs');
  return { meanAbs, blockMeanAbs: bound('blockMeanAbs'), maxAbs: bound('maxAbs') };
}

const WORDS: Readonly<Record<keyof Bounds, string>> = {
  meanAbs: 'on average',
  blockMeanAbs: 'on average in one block of 8x8 pixels',
  maxAbs: 'in one place',
};

/** Every bound that is exceeded, in a sentence. */
export function exceeded(difference: Bounds, bounds: Bounds): string[] {
  return NAMES.filter((name) => difference[name] > bounds[name]).map(
    (name) => `${difference[name].toFixed(2)} levels ${WORDS[name]}, more than ${bounds[name].toFixed(2)}`,
  );
}

import type { Pixels } from './encode.js';

/** How far two pictures of one size are apart, over all channels of all pixels. */
export interface PixelDifference {
  /** Largest difference, 0 to 255. */
  readonly maxAbs: number;
  /** Mean difference, 0 to 255. */
  readonly meanAbs: number;
  /** Peak signal-to-noise ratio in decibels, 20 log10(255 / RMSE); Infinity where nothing differs. */
  readonly psnr: number;
}

/** Compares two pictures; null where their sizes differ. */
export function comparePixels(a: Pixels, b: Pixels): PixelDifference | null {
  if (a.width !== b.width || a.height !== b.height) return null;
  let maxAbs = 0;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < a.rgb.length; i++) {
    const difference = Math.abs((a.rgb[i] as number) - (b.rgb[i] as number));
    maxAbs = Math.max(maxAbs, difference);
    sum += difference;
    squares += difference * difference;
  }
  const count = a.rgb.length;
  return { maxAbs, meanAbs: sum / count, psnr: 20 * Math.log10(255 / Math.sqrt(squares / count)) };
}

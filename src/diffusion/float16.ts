import { roundHalfEven } from './timesteps.js';

/**
 * Writes numbers as IEEE 754 binary16 patterns, nearest with ties to even; beyond 65504 they are infinity.
 * (Node's own Float16Array arrives with version 24.)
 */
export function writeHalves(target: Uint16Array, values: ArrayLike<number>, offset: number): void {
  const singles = Float32Array.from(values);
  const patterns = new Uint32Array(singles.buffer);
  for (let i = 0; i < singles.length; i++) {
    target[offset + i] = toHalf(patterns[i] as number, Math.abs(singles[i] as number));
  }
}

function toHalf(pattern: number, absolute: number): number {
  const sign = (pattern >>> 16) & 0x8000;
  const magnitude = pattern & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (absolute >= 65520) return sign | 0x7c00;
  if (absolute < 2 ** -14) return sign | roundHalfEven(absolute * 2 ** 24);
  // Rebias the exponent from 127 to 15, then round away the 13 low bits of the mantissa.
  const rebiased = magnitude - ((127 - 15) << 23);
  return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
}

/** The number that a binary16 pattern stands for. */
export function fromHalf(half: number): number {
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/**
 * Writes numbers as bfloat16 patterns, the upper halves of float32's: nearest with ties to even; from 2^128 - 2^119 on they are
 * infinity, and every NaN is the quiet one.
 */
export function writeBfloat16s(target: Uint16Array, values: ArrayLike<number>, offset: number): void {
  const patterns = new Uint32Array(Float32Array.from(values).buffer);
  for (let i = 0; i < patterns.length; i++) target[offset + i] = toBfloat16(patterns[i] as number);
}

function toBfloat16(pattern: number): number {
  const magnitude = pattern & 0x7fffffff;
  if (magnitude > 0x7f800000) return ((pattern >>> 16) & 0x8000) | 0x7fc0;
  return (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
}

/** The number that a bfloat16 pattern stands for. */
export function fromBfloat16(pattern: number): number {
  bits[0] = pattern << 16;
  return single[0] as number;
}

const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);

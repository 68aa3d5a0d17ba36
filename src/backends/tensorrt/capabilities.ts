import type { NativeDevice } from './native.js';

/** Ten times the compute capabilities that TensorRT-RTX has code for; 90 and 100, of H100 and B200, are not among them. */
const RTX_CAPABILITIES: readonly number[] = [75, 80, 86, 89, 120, 121];

/** For example 8.9 for 89. */
export function formatCapability(capability: number): string {
  return `${Math.floor(capability / 10)}.${capability % 10}`;
}

/** For example 89 for 8.9. */
export function parseCapability(text: string): number {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return major * 10 + minor;
}

/** bf16 arithmetic came with Ampere; TensorRT refuses a graph that holds any for older GPUs. */
const FIRST_WITH_BF16 = 80;

/** Those of the compute capabilities, ten times each, that have no bf16. */
export function withoutBf16(computeCapabilities: readonly number[]): number[] {
  return computeCapabilities.filter((capability) => capability < FIRST_WITH_BF16);
}

/** Whether a GPU computes in bf16. */
export function hasBf16({ computeCapability }: NativeDevice): boolean {
  return withoutBf16([parseCapability(computeCapability)]).length === 0;
}

/** Whether TensorRT-RTX can build for a GPU and run on it. */
export function rtxKnows({ computeCapability }: NativeDevice): boolean {
  return RTX_CAPABILITIES.includes(parseCapability(computeCapability));
}

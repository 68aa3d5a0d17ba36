import type { Issue } from '../../../errors.js';
import { refuse } from '../../../fields.js';
import { parseCapability } from '../capabilities.js';
import { runtimeOf } from '../libraries.js';
import type { NativeAddon, NativeDevice, NativeLibrary } from '../native.js';
import type { EngineHeader } from './header.js';

/** What engines are built for. */
export type EngineTarget = Pick<EngineHeader, 'runtime' | 'tensorrt' | 'computeCapabilities' | 'gpu' | 'driver'>;

/**
 * @param computeCapabilities ten times those of the GPUs to build for, which need not be here; empty for the device at hand
 * @param timingCache what an earlier build recorded; null for none
 * @throws T2IError OPTION_INVALID where neither says which, or the runtime cannot build for GPUs that are not here or by that cache
 */
export function targetOf(
  addon: NativeAddon,
  library: NativeLibrary,
  device: NativeDevice | null,
  computeCapabilities: readonly number[],
  timingCache: Uint8Array | null,
): EngineTarget {
  const issues: Issue[] = [];
  const runtime = runtimeOf(library);
  const ahead = computeCapabilities.length > 0;
  if (ahead && runtime !== 'tensorrt-rtx') {
    const expected = `none with ${runtime}, which builds for the GPU at hand alone`;
    issues.push({ option: 'computeCapabilities', expected, received: computeCapabilities.join(', ') });
  } else if (!ahead && device === null) {
    const expected = 'compute capabilities with tensorrt-rtx, or a GPU';
    issues.push({ option: 'computeCapabilities', expected, received: 'none, and no GPU here' });
  }
  const odd = computeCapabilities.filter(
    (capability) => !Number.isInteger(capability) || capability < 10 || capability > 9999,
  );
  if (odd.length > 0) {
    issues.push({ option: 'computeCapabilities', expected: 'numbers such as 89 for 8.9', received: odd.join(', ') });
  }
  if (timingCache !== null && runtime === 'tensorrt-rtx') {
    const expected = 'none with tensorrt-rtx, on which timing caches have no effect';
    issues.push({ option: 'timingCache', expected, received: `${timingCache.byteLength} bytes` });
  }
  refuse(issues);
  const gpu = ahead ? null : device;
  return {
    runtime,
    tensorrt: library.version,
    computeCapabilities: gpu
      ? [parseCapability(gpu.computeCapability)]
      : [...new Set(computeCapabilities)].sort((a, b) => a - b),
    gpu: gpu?.name ?? null,
    driver: gpu ? addon.devices().driver : null,
  };
}

import type { NativeDevice } from '../native.js';
import type { EngineSource } from './engine-source.js';

/** Memory that a build takes at its height. */
export interface MemoryEstimate {
  readonly hostBytes: number;
  /** 0 where it needs no GPU. */
  readonly deviceBytes: number;
}

/** Builder, parser and their tables without any weights. */
const BASE = 700 * 2 ** 20;
/** Copies of the weights that the parser, the network, the builder and the serialized engine hold at once. */
const HOST_COPIES = 5;
/** Candidates for a layer's kernel are timed beside the weights that are already on the GPU. */
const DEVICE_COPIES = 2;
/** A graph in float32 may keep its weights in half precision and widen them. */
const WIDENED = 2;

/**
 * What a build may need: host = 700 MiB + 5 x weights, device = 2 x weights + workspace, where weights are the bytes of the graph and
 * its external data, doubled for fp32. An upper bound of what TensorRT-RTX took for the default model; TensorRT does not say it
 * beforehand.
 */
export function estimateMemory(
  { bytes, precision }: Pick<EngineSource, 'bytes' | 'precision'>,
  { workspaceBytes, device }: { readonly workspaceBytes: number; readonly device: NativeDevice | null },
): MemoryEstimate {
  const weights = bytes * (precision === 'fp32' ? WIDENED : 1);
  return {
    hostBytes: BASE + HOST_COPIES * weights,
    deviceBytes: device === null ? 0 : DEVICE_COPIES * weights + workspaceBytes,
  };
}

/** What is short, as a warning; null where the build fits. */
export function memoryWarning(
  component: string,
  { hostBytes, deviceBytes }: MemoryEstimate,
  available: { readonly hostBytes: number; readonly device: NativeDevice | null },
): string | null {
  const short: string[] = [];
  if (hostBytes > available.hostBytes) {
    short.push(`${gib(hostBytes)} of memory, ${gib(available.hostBytes)} are free`);
  }
  const { device } = available;
  if (device !== null && deviceBytes > device.memoryBytes) {
    short.push(`${gib(deviceBytes)} on the GPU, ${device.name} has ${gib(device.memoryBytes)}`);
  }
  return short.length === 0 ? null : `${component}: building the engine may take ${short.join(' and ')}`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

import { sealHeader } from '../../src/backends/tensorrt/engines/engine-file.js';
import type { EngineHeader } from '../../src/backends/tensorrt/engines/header.js';
import { T2IError } from '../../src/errors.js';
import { scratchFolder } from './scratch.js';

/** An empty folder that goes away after the tests of the file. */
export function engineFolder(): string {
  return scratchFolder('t2i-engines-');
}

export const SERIALIZED = Uint8Array.from({ length: 3000 }, (_, i) => (i * 37) % 251);

/** A header of SERIALIZED; its hashes are of the right form and stand for nothing. */
export function headerOf(
  fields: Partial<Omit<EngineHeader, 'serialized'>> = {},
  serialized: Uint8Array = SERIALIZED,
): EngineHeader {
  const unsealed: Omit<EngineHeader, 'serialized'> = {
    component: 'unet',
    model: 'tiny',
    onnx: { file: 'model.fp16.onnx', sha256: 'ab'.repeat(32) },
    runtime: 'tensorrt',
    tensorrt: '10.15.1',
    computeCapabilities: [89],
    gpu: 'NVIDIA L4',
    driver: '13.1',
    precision: 'fp16',
    fallback: null,
    insteadOf: [],
    shapes: [{ input: 'sample', min: [1, 4, 16, 16], opt: [2, 4, 16, 16], max: [8, 4, 16, 16] }],
    flags: { workspaceBytes: 0, timingCache: null },
    accuracy: { similarity: 0.9999, largestError: 0.003, against: 'onnxruntime-node 1.30.0' },
    sdk: '0.1.0',
    ...fields,
  };
  return sealHeader(unsealed, serialized);
}

/** The T2IError that something ends with; fails on anything else. */
export async function failure(work: Promise<unknown> | (() => unknown)): Promise<T2IError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (T2IError.is(error) && error.code !== 'INTERNAL') return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

import { createHash } from 'node:crypto';
import { readExactly, withFile, writeWhole } from './engine-file.js';

// magic | SHA-256 of the engine's hash and what follows | what TensorRT-RTX compiled
const MAGIC = Buffer.from('T2IKERNL', 'latin1');
const PREFIX_BYTES = MAGIC.length + 32;
/** Of one network; kernels are small. */
const LARGEST = 1 << 30;

/** Where the kernels lie that were compiled for an engine: beside it. */
export function kernelCachePath(engine: string): string {
  return engine.replace(/\.engine$/, '.kernels');
}

/**
 * Kernels that an earlier process compiled. They are code, so their hash is compared before a byte of them is given away, as an
 * engine's is.
 *
 * @param hash SHA-256 in hex of the serialized engine
 * @returns null where there are none, or none that can be used: they are compiled again
 */
export async function readKernels(engine: string, hash: string): Promise<Uint8Array | null> {
  try {
    return await withFile(kernelCachePath(engine), async (file, size) => {
      if (size <= PREFIX_BYTES || size > LARGEST) return null;
      const bytes = await readExactly(file, new Uint8Array(size), 0, engine);
      const kernels = bytes.subarray(PREFIX_BYTES);
      return seal(hash, kernels).equals(bytes.subarray(0, PREFIX_BYTES)) ? kernels : null;
    });
  } catch {
    return null;
  }
}

/** @throws T2IError IO_FAILED */
export async function writeKernels(engine: string, hash: string, kernels: Uint8Array): Promise<void> {
  await writeWhole(kernelCachePath(engine), seal(hash, kernels), kernels);
}

function seal(hash: string, kernels: Uint8Array): Buffer {
  return Buffer.concat([MAGIC, createHash('sha256').update(hash).update(kernels).digest()]);
}

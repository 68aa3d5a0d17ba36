import { fromBfloat16, writeBfloat16s } from '../../../diffusion/bfloat16.js';
import { fromHalf, writeHalves } from '../../../diffusion/float16.js';
import { roundHalfEven } from '../../../diffusion/timesteps.js';
import type { ElementType } from '../../../model/description.js';
import type { NetworkTensor } from '../../backend.js';
import type { NativeTensor } from '../native.js';

/** Numbers as an engine takes them; integers are rounded, ties to even. */
export function toNative({ shape, data }: NetworkTensor, type: ElementType): NativeTensor {
  return { type, dims: shape, data: bytesOf(elementsOf(data, type)) };
}

/** Numbers that an engine gave. */
export function fromNative({ type, dims, data }: NativeTensor): NetworkTensor {
  // A copy is aligned, whatever offset the bytes came with.
  const { buffer } = Uint8Array.from(data);
  switch (type) {
    case 'float32':
      return { shape: dims, data: new Float32Array(buffer) };
    case 'float16':
      return { shape: dims, data: Float32Array.from(new Uint16Array(buffer), fromHalf) };
    case 'bfloat16':
      return { shape: dims, data: Float32Array.from(new Uint16Array(buffer), fromBfloat16) };
    case 'int32':
      return { shape: dims, data: Float32Array.from(new Int32Array(buffer)) };
    case 'int64':
      return { shape: dims, data: Float32Array.from(new BigInt64Array(buffer), Number) };
  }
}

function elementsOf(data: Float32Array, type: ElementType): ArrayBufferView {
  switch (type) {
    case 'float32':
      return data;
    case 'float16':
      return written(data, writeHalves);
    case 'bfloat16':
      return written(data, writeBfloat16s);
    case 'int32':
      return Int32Array.from(data, roundHalfEven);
    case 'int64':
      return BigInt64Array.from(Array.from(data, (value) => BigInt(roundHalfEven(value))));
  }
}

function written(data: Float32Array, write: typeof writeHalves): Uint16Array {
  const patterns = new Uint16Array(data.length);
  write(patterns, data, 0);
  return patterns;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

import { fromHalf, writeHalves } from '../../../diffusion/float16.js';
import { roundHalfEven } from '../../../diffusion/timesteps.js';
import type { TensorType } from '../../../model/description.js';
import type { NetworkTensor } from '../../backend.js';
import type { NativeTensor } from '../native.js';

/** Numbers as an engine takes them; integers are rounded, ties to even. */
export function toNative({ shape, data }: NetworkTensor, type: TensorType): NativeTensor {
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
    case 'int32':
      return { shape: dims, data: Float32Array.from(new Int32Array(buffer)) };
    case 'int64':
      return { shape: dims, data: Float32Array.from(new BigInt64Array(buffer), Number) };
  }
}

function elementsOf(data: Float32Array, type: TensorType): ArrayBufferView {
  switch (type) {
    case 'float32':
      return data;
    case 'float16': {
      const halves = new Uint16Array(data.length);
      writeHalves(halves, data, 0);
      return halves;
    }
    case 'int32':
      return Int32Array.from(data, roundHalfEven);
    case 'int64':
      return BigInt64Array.from(Array.from(data, (value) => BigInt(roundHalfEven(value))));
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

import type { Tensor } from 'onnxruntime-common';
import { fromHalf, writeHalves } from '../../diffusion/float16.js';
import { roundHalfEven } from '../../diffusion/timesteps.js';
import type { TensorInfo, TensorType } from '../../model/description.js';

/** What onnxruntime-node offers; its types are those of the package that all of ONNX Runtime's JavaScript shares. */
export type Runtime = typeof import('onnxruntime-common');

type Data = Float32Array | Uint16Array | Int32Array | BigInt64Array;

const ARRAYS: Record<TensorType, new (length: number) => Data> = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

/** An input or output of a graph whose memory is kept from run to run, written and read as plain numbers. */
export class Port {
  readonly tensor: Tensor;
  readonly #data: Data;

  /** @param shape every dimension known */
  constructor(runtime: Runtime, info: TensorInfo, shape: readonly number[]) {
    this.#data = new ARRAYS[info.type](product(shape));
    this.tensor = new runtime.Tensor(info.type, this.#data as Float32Array, shape);
  }

  /** Writes numbers from `offset` on, in the element type that the graph declares; integers are rounded, ties to even. */
  write(values: ArrayLike<number>, offset: number): void {
    const target = this.#data;
    if (target instanceof Float32Array) target.set(values, offset);
    else if (target instanceof Uint16Array) writeHalves(target, values, offset);
    else {
      const integer = target instanceof BigInt64Array ? BigInt : Number;
      for (let i = 0; i < values.length; i++) target[offset + i] = integer(roundHalfEven(values[i] as number));
    }
  }

  /** Writes `values` again and again until the port is full: once for each row of the batch. */
  fill(values: ArrayLike<number>): void {
    for (let offset = 0; offset < this.#data.length; offset += values.length) this.write(values, offset);
  }

  /** Numbers `start` to `end`, valid until the next run: a view where the graph gives float32, else a copy. */
  read(start: number, end: number): Float32Array {
    if (this.#data instanceof Float32Array) return this.#data.subarray(start, end);
    return Float32Array.from(this.#data.subarray(start, end) as Uint16Array, fromHalf);
  }
}

/** A copy of the numbers of a tensor that the runtime allocated. */
export function readFloats(tensor: Tensor): Float32Array {
  const data = tensor.data as Float32Array;
  if (tensor.type !== 'float16') return data.slice();
  // Nodes that have a Float16Array get one, the others a Uint16Array: the bytes are the same.
  return Float32Array.from(new Uint16Array(data.buffer, data.byteOffset, data.length), fromHalf);
}

export function product(shape: readonly number[]): number {
  return shape.reduce((result, size) => result * size, 1);
}

import * as runtime from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { Port, readFloats } from '../../../src/backends/onnxruntime/port.js';
import type { TensorType } from '../../../src/model/description.js';

function port(type: TensorType, shape: number[]): Port {
  return new Port(runtime, { name: 'x', type, shape }, shape);
}

describe('a port', () => {
  it.each([
    ['float32', [1.5, 2.5, 3.25], [1.5, 2.5, 3.25]],
    ['int32', [1.5, 2.5, 3.25], [2, 2, 3]],
    ['int64', [1.5, 2.5, 999], [2n, 2n, 999n]],
  ] as const)('holds numbers as %s, integers rounded with ties to even', (type, values, expected) => {
    const written = port(type, [3]);
    written.write(values, 0);
    expect([...(written.tensor.data as Iterable<number | bigint>)]).toEqual(expected);
    expect(written.tensor.type).toBe(type);
  });

  it('holds float16 and reads it as numbers', () => {
    const written = port('float16', [2]);
    written.write([0.1, -3], 0);
    expect([...written.read(0, 2)]).toEqual([Math.fround(0.0999755859375), -3]);
    expect([...readFloats(written.tensor)]).toEqual([Math.fround(0.0999755859375), -3]);
  });

  it('repeats what fills one row through all of them', () => {
    const batch = port('float32', [3, 2]);
    batch.fill([1, 2]);
    expect([...batch.read(0, 6)]).toEqual([1, 2, 1, 2, 1, 2]);
  });

  it('takes a scalar', () => {
    const scalar = port('float32', []);
    scalar.fill([500]);
    expect(scalar.tensor.dims).toEqual([]);
    expect([...scalar.read(0, 1)]).toEqual([500]);
  });

  it('writes from an offset on and reads a part', () => {
    const written = port('float32', [4]);
    written.write([7, 8], 2);
    expect([...written.read(1, 4)]).toEqual([0, 7, 8]);
  });
});

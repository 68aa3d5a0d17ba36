import type { Issue } from '../../errors.js';
import { describeValue } from '../../fields.js';

/** An input of an inference request, as its JSON says; the values may stand behind the JSON. */
export interface WrittenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data?: unknown;
  readonly parameters?: { readonly binary_data_size?: number | undefined } | undefined;
}

interface NumberType {
  readonly bytes: number;
  read(view: DataView, at: number): number | bigint;
}

/** How numbers are read, by the protocol's name of their type; little-endian. */
const NUMBERS: ReadonlyMap<string, NumberType> = new Map<string, NumberType>([
  ['BOOL', { bytes: 1, read: (view, at) => view.getUint8(at) }],
  ['UINT8', { bytes: 1, read: (view, at) => view.getUint8(at) }],
  ['UINT16', { bytes: 2, read: (view, at) => view.getUint16(at, true) }],
  ['UINT32', { bytes: 4, read: (view, at) => view.getUint32(at, true) }],
  ['UINT64', { bytes: 8, read: (view, at) => view.getBigUint64(at, true) }],
  ['INT8', { bytes: 1, read: (view, at) => view.getInt8(at) }],
  ['INT16', { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  ['INT32', { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  ['INT64', { bytes: 8, read: (view, at) => view.getBigInt64(at, true) }],
  ['FP32', { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  ['FP64', { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
]);

/**
 * The values of some inputs: from their JSON, or from the bytes behind it (Triton's extension for binary tensors).
 *
 * @param binary what follows the JSON
 */
export function readTensors(
  tensors: readonly WrittenTensor[],
  binary: Uint8Array,
): { readonly values: ReadonlyMap<string, readonly (string | number)[]>; readonly issues: readonly Issue[] } {
  const values = new Map<string, readonly (string | number)[]>();
  const issues: Issue[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, datatype, parameters } = tensor;
    const count = shape.reduce((product, size) => product * size, 1);
    const size = parameters?.binary_data_size;
    const bytes = size === undefined ? null : binary.subarray(offset, offset + size);
    offset += size ?? 0;
    const found = bytes === null ? fromJson(tensor) : fromBytes(datatype, bytes);
    if (found !== null && found.length === count) values.set(name, found);
    else {
      const expected = `${count} values of ${datatype}, which may be BYTES or a number`;
      const received = bytes === null ? describeValue(tensor.data) : `${bytes.byteLength} bytes`;
      issues.push({ option: name, expected, received });
    }
  }
  return { values, issues };
}

function fromJson({ datatype, data }: WrittenTensor): (string | number)[] | null {
  if (!Array.isArray(data)) return null;
  const flat = data.flat(4);
  const type = datatype === 'BYTES' ? 'string' : NUMBERS.has(datatype) ? 'number' : null;
  return flat.every((value) => typeof value === type) ? flat : null;
}

function fromBytes(datatype: string, bytes: Uint8Array): (string | number)[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (datatype === 'BYTES') return textsIn(bytes, view);
  const type = NUMBERS.get(datatype);
  if (type === undefined || bytes.byteLength % type.bytes !== 0) return null;
  // A whole number that a double cannot hold is refused where its range is checked.
  const count = bytes.byteLength / type.bytes;
  return Array.from({ length: count }, (_, index) => Number(type.read(view, index * type.bytes)));
}

/** Texts, each behind its length in four bytes; null where a length points beyond the end. */
function textsIn(bytes: Uint8Array, view: DataView): string[] | null {
  const texts: string[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    if (at + 4 > bytes.byteLength) return null;
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.byteLength) return null;
    texts.push(new TextDecoder().decode(bytes.subarray(at + 4, end)));
    at = end;
  }
  return texts;
}

/** Some files as a binary tensor of BYTES: each behind its length. */
export function bytesTensor(files: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    files.flatMap((file) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(file.byteLength);
      return [length, file];
    }),
  );
}

export function int64Tensor(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
}

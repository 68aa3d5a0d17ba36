/** Writes small ONNX files for tests, hostile ones too: fields are given by number, nothing is checked. */
export function varint(number: number, value: number | bigint): Buffer {
  return Buffer.concat([rawVarint((BigInt(number) << 3n) | 0n), rawVarint(BigInt.asUintN(64, BigInt(value)))]);
}

export function message(number: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return Buffer.concat([rawVarint((BigInt(number) << 3n) | 2n), rawVarint(BigInt(body.length)), body]);
}

function rawVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

export const FLOAT = 1;
export const INT64 = 7;
export type Dim = number | string;

/** ValueInfoProto as field `number` of a graph (11 input, 12 output). */
export function value(number: number, name: string, type: number, dims: readonly Dim[] | null): Buffer {
  const dim = (size: Dim) => message(1, typeof size === 'number' ? varint(1, size) : message(2, size));
  const shape = dims === null ? Buffer.alloc(0) : message(2, ...dims.map(dim));
  return message(number, message(1, name), message(2, message(1, varint(1, type), shape)));
}

export const input = (name: string, type: number, dims: readonly Dim[] | null) => value(11, name, type, dims);
export const output = (name: string, type: number, dims: readonly Dim[] | null) => value(12, name, type, dims);

/** TensorProto, of float32 or another type, as field `number` (5 initializer of a graph), its bytes in another file. */
export function externalTensor(
  name: string,
  dims: readonly number[],
  entries: Record<string, string>,
  number = 5,
  type = FLOAT,
): Buffer {
  const external = Object.entries(entries).map(([key, text]) => message(13, message(1, key), message(2, text)));
  return message(
    number,
    ...dims.map((size) => varint(1, size)),
    varint(2, type),
    message(8, name),
    ...external,
    varint(14, 1),
  );
}

/** NodeProto as field `number` (1 of a graph, 7 of a function). */
export function node(operator: string, domain = '', number = 1, ...rest: Buffer[]): Buffer {
  return message(number, message(4, operator), message(7, domain), ...rest);
}

/** FunctionProto of the domain `local` with one node for each callee. */
export function functionBody(name: string, callees: readonly string[]): Buffer {
  return message(25, message(1, name), message(10, 'local'), ...callees.map((callee) => node(callee, 'local', 7)));
}

/** ModelProto: opset 17, one graph of the parts, then further fields. */
export function model(graph: readonly Buffer[], ...rest: Buffer[]): Buffer {
  return Buffer.concat([varint(1, 8), message(8, message(1, ''), varint(2, 17)), message(7, ...graph), ...rest]);
}

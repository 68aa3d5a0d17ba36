/**
 * An ONNX file whose only node calls a model-local function that calls the next, `length` deep: it overflows the stack of
 * onnxruntime while it loads.
 */
export function functionChain(length: number): Buffer {
  const opset = (domain: string, version: number) => message([text(1, domain), number(2, version)]);
  const node = (name: string) => message([text(1, 'x'), text(2, 'y'), text(4, name), text(7, 'chain')]);
  const functions = Array.from({ length }, (_, i) => {
    const body = i + 1 < length ? node(`f${i + 1}`) : message([text(1, 'x'), text(2, 'y'), text(4, 'Identity')]);
    const imports = [bytes(9, opset('', 17)), bytes(9, opset('chain', 1))];
    return bytes(
      25,
      message([text(1, `f${i}`), text(4, 'x'), text(5, 'y'), bytes(7, body), ...imports, text(10, 'chain')]),
    );
  });
  const shape = message([bytes(1, message([number(1, 1)]))]);
  const type = message([bytes(1, message([number(1, 1), bytes(2, shape)]))]);
  const value = (name: string) => message([text(1, name), bytes(2, type)]);
  const graph = message([bytes(1, node('f0')), text(2, 'g'), bytes(11, value('x')), bytes(12, value('y'))]);
  return message([number(1, 8), bytes(7, graph), bytes(8, opset('', 17)), bytes(8, opset('chain', 1)), ...functions]);
}

// Protocol buffers, by hand: a key of field number and wire type, then a varint or a length and its bytes.

function message(fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields);
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value));
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const result: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) result.push((rest & 127) | 128);
  return Buffer.from([...result, rest]);
}

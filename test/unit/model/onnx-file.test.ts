import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type OnnxFile, readOnnxFile } from '../../../src/model/onnx-file.js';
import { scratch } from './model-dir.js';
import { externalTensor, FLOAT, INT64, message, model, node, value, varint } from './onnx-writer.js';

function read(content: Buffer): OnnxFile {
  const path = join(scratch(), 'model.onnx');
  writeFileSync(path, content);
  return readOnnxFile(path);
}

const FLOAT16 = 10;
/** A field that a later version of ONNX may add, as a message or a number. */
const later = [message(90, varint(1, 1)), varint(91, 5)];

describe('what a graph declares', () => {
  it('is for the version of the operators that it names, past fields that it has besides', () => {
    expect(read(Buffer.concat([message(8, varint(2, 17), ...later), message(7)])).opset).toBe(17);
  });

  it('is read past fields that it has besides', () => {
    const dims = message(2, message(1, varint(1, 4), ...later), ...later, message(1, message(2, 'batch')));
    const type = message(2, ...later, message(1, varint(1, FLOAT), ...later, dims));
    const { inputs } = read(model([message(11, message(1, 'x'), ...later, type, message(3, 'a comment'))]));
    expect(inputs).toEqual([{ name: 'x', elementType: FLOAT, shape: [4, null] }]);
  });

  it('has a shape where it says one, of no dimension too', () => {
    const { outputs } = read(model([value(12, 'scalar', FLOAT, []), value(12, 'any', INT64, null)]));
    expect(outputs).toEqual([
      { name: 'scalar', elementType: FLOAT, shape: [] },
      { name: 'any', elementType: INT64, shape: null },
    ]);
  });

  it.each([
    ['a sequence', message(2, message(4, message(1, varint(1, FLOAT))))],
    ['nothing', Buffer.alloc(0)],
  ])('is no tensor where its type is %s', (_, type) => {
    const { outputs, elementTypes } = read(model([message(12, message(1, 'y'), type)]));
    expect(outputs).toEqual([{ name: 'y', elementType: null, shape: null }]);
    expect([...elementTypes]).toEqual([]);
  });

  it('needs no input that has a value of its own', () => {
    const stored = message(5, message(8, 'w'), varint(2, FLOAT));
    const { inputs } = read(model([stored, value(11, 'w', FLOAT, [1]), value(11, 'x', FLOAT, [1])]));
    expect(inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it('has the types that a cast gives, and none of other numbers', () => {
    const attribute = (name: string, ...fields: Buffer[]) => message(5, message(1, name), ...fields);
    const { elementTypes } = read(
      model([
        node('Cast', '', 1, attribute('to', varint(3, FLOAT16), varint(20, 2))),
        node('Concat', '', 1, attribute('axis', varint(3, 6)), attribute('to', varint(8, 3))),
      ]),
    );
    expect([...elementTypes]).toEqual([FLOAT16]);
  });
});

describe('a tensor whose bytes lie elsewhere', () => {
  const NAMES = { location: 'w.bin', offset: '16' };

  it('is told with what is written of it, past fields that it has besides', () => {
    const entry = message(13, ...later, message(1, 'location'), message(2, 'w.bin'), ...later);
    const tensor = message(5, varint(1, 2), varint(1, 3), varint(2, FLOAT), message(8, 'w'), ...later, entry);
    const [external] = read(model([tensor])).external;
    expect(external).toEqual({
      ...{ name: 'w', elementType: FLOAT, dims: [2, 3] },
      entries: new Map([['location', 'w.bin']]),
    });
  });

  it('is told though an entry of it has no name or no text', () => {
    const tensor = message(5, message(8, 'w'), message(13, message(2, 'text')), message(13, message(1, 'key')));
    expect([...(read(model([tensor])).external[0]?.entries ?? [])]).toEqual([
      ['', 'text'],
      ['key', ''],
    ]);
  });

  it.each([
    ['an attribute', (number: number) => message(5, externalTensor('w', [1], NAMES, number)), [5, 10]],
    [
      'a sparse attribute',
      (number: number) => message(5, message(number, externalTensor('w', [1], NAMES, 1))),
      [22, 23],
    ],
    [
      'indices of a sparse attribute',
      (number: number) => message(5, message(number, externalTensor('w', [1], NAMES, 2))),
      [22, 23],
    ],
    [
      'a graph in an attribute',
      (number: number) => message(5, message(number, externalTensor('w', [1], NAMES))),
      [6, 11],
    ],
  ] as const)('is found in %s', (_, attribute, numbers) => {
    for (const number of numbers) {
      const { external } = read(model([node('Any', '', 1, attribute(number))]));
      expect(
        external.map(({ name }) => name),
        `${number}`,
      ).toEqual(['w']);
    }
  });

  it('is found in a sparse initializer, and not where a sparse tensor has its shape', () => {
    const sparse = message(15, varint(3, 4), externalTensor('w', [1], NAMES, 1), message(9, 'not a tensor'));
    expect(read(model([sparse])).external.map(({ name }) => name)).toEqual(['w']);
  });
});

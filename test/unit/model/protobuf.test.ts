import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Field, ProtobufFile } from '../../../src/model/protobuf.js';
import { scratch } from './model-dir.js';
import { message, varint } from './onnx-writer.js';

/** What `read` makes of a file with this content. */
function reading<T>(content: Buffer, read: (file: ProtobufFile) => T): T {
  const path = join(scratch(), 'message');
  writeFileSync(path, content);
  return ProtobufFile.use(path, read);
}
const fields = (content: Buffer) => reading(content, (file) => [...file.fieldsOf(file.whole)]);
const inField = <T>(content: Buffer, read: (file: ProtobufFile, field: Field) => T) =>
  reading(content, (file) => read(file, [...file.fieldsOf(file.whole)][0] as Field));
const text = (content: Buffer) => inField(content, (file, { span }) => file.text(span ?? file.whole));
const integers = (content: Buffer) => inField(content, (file, field) => file.integers(field));

/** Bytes of a number that is written longer than it need be. */
const padded = (length: number) => Buffer.from([...Array<number>(length - 1).fill(0x80), 0]);
const WINDOW = 2 ** 16;

describe('the fields of a message', () => {
  it('are numbers, stretches of 4 or 8 bytes, or stretches with a length', () => {
    const eight = Buffer.from([(2 << 3) | 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    const four = Buffer.from([(3 << 3) | 5, 1, 2, 3, 4]);
    expect(fields(Buffer.concat([varint(1, 300), eight, four, message(4, 'abc'), message(5)]))).toEqual([
      { number: 1, varint: 300n },
      { number: 2, span: { start: 4, end: 12, depth: 1 } },
      { number: 3, span: { start: 13, end: 17, depth: 1 } },
      { number: 4, span: { start: 19, end: 22, depth: 1 } },
      { number: 5, span: { start: 24, end: 24, depth: 1 } },
    ]);
    expect(fields(Buffer.alloc(0))).toEqual([]);
  });

  it('have numbers from 1 to 2^29 - 1', () => {
    expect(fields(varint(2 ** 29 - 1, 0))).toEqual([{ number: 2 ** 29 - 1, varint: 0n }]);
    expect(() => fields(varint(2 ** 29, 0))).toThrow('field number 536870912 at byte 5');
    expect(() => fields(varint(0, 0))).toThrow('field number 0 at byte 1');
  });

  it.each([3, 4, 6, 7])('are of no wire type %i', (type) => {
    expect(() => fields(Buffer.from([(1 << 3) | type, 0]))).toThrow(`wire type ${type} at byte 1`);
  });

  it('may be two million, and not one more', () => {
    const many = (count: number) => Buffer.alloc(2 * count, Buffer.from([0x08, 0x01]));
    expect(() => fields(many(2_000_000))).not.toThrow();
    expect(() => fields(many(2_000_001))).toThrow('more than 2000000 fields');
  });

  it('are read alike where a window of the file ends within them', () => {
    for (const filler of [-3, -2, -1, 0, 1].map((more) => WINDOW + more)) {
      const content = Buffer.concat([message(1, Buffer.alloc(filler - 4)), varint(2, 2 ** 40), message(3, 'name')]);
      const [, number, span] = fields(content);
      expect(number).toEqual({ number: 2, varint: 2n ** 40n });
      expect(reading(content, (file) => file.text(span?.span ?? file.whole))).toBe('name');
    }
  });

  it('are read again behind later ones', () => {
    const content = Buffer.concat([message(1, 'first'), message(2, Buffer.alloc(2 * WINDOW)), message(3, 'last')]);
    reading(content, (file) => {
      const [first, , last] = [...file.fieldsOf(file.whole)].map(({ span }) => span ?? file.whole);
      expect([last, first].map((span) => file.text(span as never))).toEqual(['last', 'first']);
    });
  });
});

describe('a number', () => {
  it('has ten bytes at most', () => {
    const number = (bytes: Buffer) => fields(Buffer.concat([Buffer.from([0x08]), bytes]));
    expect(number(padded(10))).toEqual([{ number: 1, varint: 0n }]);
    expect(() => number(padded(11))).toThrow('a number of more than 10 bytes at byte 11');
    const packed = (bytes: Buffer) => integers(message(1, bytes));
    expect(packed(padded(10))).toEqual([0]);
    expect(() => packed(padded(11))).toThrow('a number of more than 10 bytes at byte 11');
  });

  it('is signed, alone or packed', () => {
    const bytesOf = (value: bigint) => varint(1, value).subarray(1);
    for (const value of [0n, 1n, 127n, 128n, 300n, -1n, -(2n ** 40n), 2n ** 52n]) {
      expect(integers(varint(1, value))).toEqual([Number(value)]);
      expect(integers(message(1, bytesOf(value), bytesOf(5n), bytesOf(value)))).toEqual([
        Number(value),
        5,
        Number(value),
      ]);
    }
    expect(integers(message(1))).toEqual([]);
  });

  it('may end with the message, and not beyond it', () => {
    expect(() => fields(Buffer.from([0x08]))).toThrow('the message at byte 0 ends in the middle of a field');
    expect(() => integers(message(1, Buffer.from([1, 0x80])))).toThrow('a packed number that does not end at byte 4');
  });
});

describe('a text', () => {
  it('has 4096 bytes at most', () => {
    expect(text(message(1, 'é'.repeat(2048)))).toBe('é'.repeat(2048));
    expect(() => text(message(1, 'x'.repeat(4097)))).toThrow('a name of 4097 bytes at byte 3');
  });

  it('counts as a field for each 16 bytes', () => {
    const others = Buffer.alloc(2 * 1_999_899, Buffer.from([0x10, 0x01]));
    inField(Buffer.concat([message(1, 'x'.repeat(1600)), others]), (file, { span }) => {
      expect(file.text(span ?? file.whole)).toHaveLength(1600);
      expect(() => file.text(span ?? file.whole)).toThrow('more than 2000000 fields');
    });
  });
});

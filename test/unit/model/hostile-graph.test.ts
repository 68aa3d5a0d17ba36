import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { readOnnxFile } from '../../../src/model/onnx-file.js';
import { ProtobufError } from '../../../src/model/protobuf.js';
import { openFilesIn } from '../../support/open-files.js';
import { noLinux, skipFor } from '../../support/skip-for.js';
import { refusal, scratch, writeModel } from './model-dir.js';
import { FLOAT, input, message, model, node, varint } from './onnx-writer.js';

const disk = vi.hoisted(() => ({ bytesRead: 0 }));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  const readSync = (...args: Parameters<typeof real.readSync>) => {
    const bytes = real.readSync(...args);
    disk.bytesRead += bytes;
    return bytes;
  };
  return { ...real, readSync };
});

const fixture = (path: string) => readFileSync(new URL(`../../fixtures/${path}`, import.meta.url));
const refusedGraph = (content: Buffer) => refusal(writeModel({ 'unet/model.onnx': content }));

describe('a graph', () => {
  it('beyond 2 GB is refused without being read', async () => {
    const dir = writeModel();
    truncateSync(join(dir, 'unet/model.onnx'), 2 ** 31);
    expect(await refusal(dir)).toMatch(/unet\/model\.onnx: expected less than 2 GiB, received 2147483648 bytes/);
  });

  it('of 1.9 GB of weights is read past, not through', async () => {
    const path = join(scratch(), 'large.onnx');
    const weights = 1.9e9;
    // An initializer whose raw_data is a hole in the file.
    const raw = Buffer.concat([Buffer.from([0x4a]), varint(1, weights).subarray(1)]);
    const tensor = Buffer.concat([Buffer.from([0x2a]), varint(1, weights + raw.length).subarray(1), raw]);
    const graph = Buffer.concat([Buffer.from([0x3a]), varint(1, weights + tensor.length).subarray(1), tensor]);
    writeFileSync(path, graph);
    truncateSync(path, weights + graph.length);
    disk.bytesRead = 0;
    expect(readOnnxFile(path).inputs).toEqual([]);
    expect(disk.bytesRead).toBeGreaterThan(0);
    expect(disk.bytesRead).toBeLessThan(2 ** 20);
  });

  it('has the version of the standard operators, by either of their names', () => {
    const opset = (domain: string, version: number) => message(8, message(1, domain), varint(2, version));
    const read = (...parts: Buffer[]) => {
      const path = join(scratch(), 'opset.onnx');
      writeFileSync(path, Buffer.concat([...parts, message(7)]));
      return readOnnxFile(path).opset;
    };
    expect(read(opset('', 17), opset('com.microsoft', 1))).toBe(17);
    expect(read(opset('ai.onnx.ml', 3), opset('ai.onnx', 18))).toBe(18);
    expect(read(opset('com.microsoft', 1))).toBeNull();
  });

  const nested = (depth: number, innermost: Buffer = Buffer.alloc(0)) => {
    let inner = innermost;
    for (let i = 0; i < depth; i++) inner = message(1, message(5, message(6, inner)));
    return model([inner]);
  };

  const written = (content: Buffer) => {
    const path = join(scratch(), 'graph.onnx');
    writeFileSync(path, content);
    return path;
  };

  it('may be nested 100 deep, and hold numbers of ten bytes', () => {
    // The graph itself, and a node, an attribute and a graph for each level.
    expect(readOnnxFile(written(nested(33))).inputs).toEqual([]);
    expect(() => readOnnxFile(written(nested(33, node('Abs'))))).toThrow(/nested deeper than 100/);
    expect(readOnnxFile(written(model([], varint(5, -1)))).opset).toBe(17);
  });

  it('is left open by nobody', skipFor(noLinux), () => {
    const path = written(model([]));
    readOnnxFile(path);
    expect(() => readOnnxFile(written(Buffer.from([0x00, 0x00])))).toThrow(ProtobufError);
    expect(openFilesIn(join(path, '..'))).toEqual([]);
  });

  /** A graph with a damaged field, behind which a whole one stands. */
  const overlong = (number: number, damaged: Buffer) => model([message(number, damaged), input('x', FLOAT, [1, 2, 3])]);

  it.each<[string, Buffer, RegExp]>([
    ['nested deeply', nested(2000), /nested deeper than 100/],
    ['with two graphs', Buffer.concat([model([]), message(7)]), /two graphs/],
    ['with training information', model([], message(20)), /training information/],
    [
      'with a field that is longer than the file',
      Buffer.concat([model([]), Buffer.from([0x3a, 0xff, 0x7f])]),
      /a field of 16383 bytes/,
    ],
    [
      'with a number that never ends',
      Buffer.concat([Buffer.from([0x08]), Buffer.alloc(12, 0xff)]),
      /more than 10 bytes/,
    ],
    [
      'with a number of eleven bytes',
      Buffer.concat([model([]), Buffer.from([0x08, ...Array<number>(10).fill(0x80), 0])]),
      /more than 10 bytes/,
    ],
    ['with field number 0', Buffer.from([0x00, 0x00]), /field number 0/],
    ['with a group', Buffer.from([0x3b]), /wire type 3/],
    ['with a number for a graph', varint(7, 5), /a number where a message/],
    ['with a text for a version', Buffer.concat([model([]), message(8, message(2, 'x'))]), /where a number is due/],
    ['with a name of a megabyte', model([message(11, message(1, 'x'.repeat(1e6)))]), /a name of 1000000 bytes/],
    ['with millions of fields', model([Buffer.alloc(5e6, Buffer.from([0x68, 0x01]))]), /more than 2000000 fields/],
    [
      'with millions of packed numbers',
      model([message(5, message(1, Buffer.alloc(3e6, 1)))]),
      /more than 2000000 fields/,
    ],
    // The file goes on behind each of these, so that only their parent tells that they are too long.
    [
      'with a name that is longer than its input',
      overlong(11, Buffer.from([0x0a, 20, 0x61])),
      /a field of 20 bytes .* 1 are left/,
    ],
    ['with a number longer than its input', overlong(11, Buffer.from([0x18, 0x80])), /ends in the middle of a field/],
    [
      'with a length cut off by the end of its input',
      overlong(11, Buffer.from([0x0a, 0x80])),
      /ends in the middle of a field/,
    ],
    [
      'with 8 bytes that are longer than its input',
      overlong(11, Buffer.alloc(4, 0x19)),
      /a field of 8 bytes .* 3 are left/,
    ],
    [
      'with 4 bytes that are longer than its input',
      overlong(11, Buffer.alloc(4, 0x1d)),
      /a field of 4 bytes .* 3 are left/,
    ],
    [
      'with packed numbers cut off by the end of their field',
      overlong(5, message(1, Buffer.from([1, 0x80]))),
      /does not end/,
    ],
    ['with a packed number cut off', model([message(5, message(1, Buffer.from([0x80])))]), /does not end/],
  ])('%s is refused', async (_, content, reason) => {
    expect(await refusedGraph(content)).toMatch(reason);
  });

  it('cut off within its graph is refused', () => {
    const whole = fixture('tiny/text_encoder/model.onnx');
    const path = join(scratch(), 'cut.onnx');
    // What follows the graph is a few fields of a few bytes; a file that ends between two of those is whole.
    for (let length = 0; length < whole.length - 200; length += 37) {
      writeFileSync(path, whole.subarray(0, length));
      expect(() => readOnnxFile(path), `cut at ${length}`).toThrow(ProtobufError);
    }
  });
});

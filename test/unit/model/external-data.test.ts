import { linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { refusal, scratch, writeModel } from './model-dir.js';
import {
  externalTensor,
  FLOAT,
  functionBody,
  INT64,
  input,
  message,
  model,
  node,
  output,
  varint,
} from './onnx-writer.js';

const BASE = [
  input('sample', FLOAT, ['batch', 4, 'h', 'w']),
  input('timestep', INT64, [1]),
  input('encoder_hidden_states', FLOAT, ['batch', 16, 32]),
  output('out_sample', FLOAT, ['batch', 4, 'h', 'w']),
];
const GOOD = { location: 'model.weights', offset: '16', length: '24' };
const unet = (tensor: Buffer) => model([...BASE, tensor]);
const withTensor = (entries: Record<string, string>, dims: readonly number[] = [2, 3]) =>
  writeModel({ 'unet/model.onnx': unet(externalTensor('w', dims, entries)), 'unet/model.weights': Buffer.alloc(40) });

describe('external data', () => {
  it('is accepted beside its graph, and hashed', async () => {
    expect((await describeModel(withTensor(GOOD))).hashes).toHaveProperty('unet/model.weights');
    expect((await describeModel(withTensor({ location: 'model.weights' }))).hashes).toHaveProperty(
      'unet/model.weights',
    );
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['above its folder', { ...GOOD, location: '../unet/model.weights' }, /a path that leaves it "\.\.\/unet/],
    ['above its folder by a detour', { ...GOOD, location: 'x/../../model.weights' }, /a path that leaves it/],
    ['above its folder by backslashes', { ...GOOD, location: '..\\model.weights' }, /a path that leaves it/],
    ['at an absolute path', { ...GOOD, location: '/etc/passwd' }, /an absolute path "\/etc\/passwd"/],
    ['on a drive', { ...GOOD, location: 'C:\\weights' }, /an absolute path/],
    ['behind a NUL', { ...GOOD, location: 'model.weights\0.txt' }, /a NUL character/],
    ['nowhere', { offset: '0', length: '24' }, /no location/],
    ['in a file that is missing', { ...GOOD, location: 'other.weights' }, /unet\/other\.weights: expected a file/],
    ['in a folder', { ...GOOD, location: '.' }, /a folder or a device/],
    ['beyond the end of the file', { ...GOOD, offset: '17' }, /within the 40 bytes.*offset "17"/],
    ['at a negative offset', { ...GOOD, offset: '-1' }, /whole numbers.*"-1"/],
    ['at an offset in another notation', { ...GOOD, offset: '1e1' }, /whole numbers.*"1e1"/],
    [
      'at an offset that is no number, which is told in part',
      { ...GOOD, offset: 'x'.repeat(99) },
      /offset "x{39}, length/,
    ],
    ['at an offset beyond 2^53', { ...GOOD, offset: '9007199254740993' }, /whole numbers/],
    [
      'of another length than its shape',
      { ...GOOD, length: '20' },
      /24 bytes for shape \[2, 3\], received a length of 20/,
    ],
  ])('is refused %s', async (_, entries, reason) => {
    expect(await refusal(withTensor(entries))).toMatch(reason);
  });

  it.each([
    ['float32', 1, 12],
    ['float16', 10, 6],
    ['int64', 7, 24],
    ['bool', 9, 3],
    ['4-bit integers, two in a byte', 22, 2],
    ['2-bit integers, four in a byte', 25, 1],
  ])('of 3 elements of %s has to have just their bytes', async (_, type, bytes) => {
    const described = (length: number) =>
      writeModel({
        'unet/model.onnx': unet(externalTensor('w', [3], { location: 'model.weights', length: `${length}` }, 5, type)),
        'unet/model.weights': Buffer.alloc(bytes),
      });
    await expect(describeModel(described(bytes))).resolves.toMatchObject({
      hashes: { 'unet/model.weights': expect.any(String) },
    });
    for (const length of [bytes - 1, bytes + 1]) {
      expect(await refusal(described(length))).toMatch(`${bytes} bytes for shape [3], received a length of ${length}`);
    }
  });

  it('is refused where its elements are no numbers', async () => {
    const text = externalTensor('w', [1], { location: 'model.weights' }, 5, 8);
    const dir = writeModel({ 'unet/model.onnx': unet(text), 'unet/model.weights': Buffer.alloc(40) });
    expect(await refusal(dir)).toMatch(/"w".*: expected a numeric element type, received type 8/);
  });

  it('is what says so of itself, or names a file', async () => {
    const described = (...fields: Buffer[]) =>
      writeModel({ 'unet/model.onnx': unet(message(5, varint(1, 6), varint(2, FLOAT), message(8, 'w'), ...fields)) });
    const says = varint(14, 1);
    const names = message(13, message(1, 'location'), message(2, '/x'));
    expect(await refusal(described(says))).toMatch(/no location/);
    expect(await refusal(described(names))).toMatch(/an absolute path/);
    await expect(describeModel(described())).resolves.toHaveProperty('hashes');
  });

  it('is refused with dimensions that are negative or too many', async () => {
    expect(await refusal(withTensor(GOOD, [-1, -24]))).toMatch(/"w" has a negative dimension: \[-1, -24\]/);
    expect(await refusal(withTensor(GOOD, [-1, 3]))).toMatch(/"w" has a negative dimension/);
    expect(await refusal(withTensor(GOOD, [-2, 3]))).toMatch(/"w" has a negative dimension: \[-2, 3\]/);
    expect(await refusal(withTensor({ location: 'model.weights' }, Array(9).fill(2 ** 40)))).toMatch(
      /whole numbers|within the 40 bytes/,
    );
  });

  it.each([
    ['an attribute', node('Constant', '', 1, message(5, externalTensor('w', [1], { location: '/x' }, 5)))],
    ['a list of an attribute', node('Constant', '', 1, message(5, externalTensor('w', [1], { location: '/x' }, 10)))],
    ['a subgraph', node('If', '', 1, message(5, message(6, externalTensor('w', [1], { location: '/x' }))))],
    ['a list of subgraphs', node('Scan', '', 1, message(5, message(11, externalTensor('w', [1], { location: '/x' }))))],
    ['a sparse tensor', message(15, externalTensor('w', [1], { location: '/x' }, 1))],
    ['the places of a sparse tensor', message(15, externalTensor('w', [1], { location: '/x' }, 2))],
    [
      'a sparse attribute',
      node('Constant', '', 1, message(5, message(22, externalTensor('w', [1], { location: '/x' }, 1)))),
    ],
    [
      'a list of sparse attributes',
      node('Constant', '', 1, message(5, message(23, externalTensor('w', [1], { location: '/x' }, 1)))),
    ],
  ])('is found in %s', async (_, part) => {
    expect(await refusal(writeModel({ 'unet/model.onnx': model([...BASE, part]) }))).toMatch(/an absolute path "\/x"/);
  });

  it.each([
    ['a node', node('Constant', '', 7, message(5, externalTensor('w', [1], { location: '/x' }, 5)))],
    ['a default of an attribute', message(11, externalTensor('w', [1], { location: '/x' }, 5))],
  ])('is found in %s of a function', async (_, part) => {
    const body = message(25, message(1, 'f'), part);
    expect(await refusal(writeModel({ 'unet/model.onnx': model(BASE, body) }))).toMatch(/an absolute path "\/x"/);
  });
});

describe('links', () => {
  const outside = () => {
    const file = join(scratch(), 'secret');
    writeFileSync(file, Buffer.alloc(40));
    return file;
  };
  const linked = (link: (target: string, path: string) => void) => {
    const dir = writeModel({ 'unet/model.onnx': unet(externalTensor('w', [2, 3], GOOD)) });
    link(outside(), join(dir, 'unet/model.weights'));
    return dir;
  };

  it('are refused where a symbolic link leaves the directory', async () => {
    expect(await refusal(linked(symlinkSync))).toMatch(/unet\/model\.weights.*symbolic link that leaves it/);
  });

  it('are refused where a hard link may leave it', async () => {
    expect(await refusal(linked(linkSync))).toMatch(/unet\/model\.weights.*hard link/);
  });

  it('are refused for folders and small files too', async () => {
    const dir = writeModel();
    const elsewhere = join(scratch(), 'unet');
    renameSync(join(dir, 'unet'), elsewhere);
    symlinkSync(elsewhere, join(dir, 'unet'));
    expect(await refusal(dir)).toMatch(/unet\/model\.onnx.*symbolic link/);
  });

  it('may lead to the directory itself', async () => {
    const link = join(scratch(), 'link');
    symlinkSync(writeModel(), link);
    expect((await describeModel(link)).dir).toBe(link);
  });

  describe('of a hub cache', () => {
    const cache = (blobs: string, only?: string) => {
      const repo = scratch();
      const dir = writeModel(
        { 'unet/model.onnx': unet(externalTensor('w', [2, 3], GOOD)), 'unet/model.weights': Buffer.alloc(40) },
        join(repo, 'snapshots/abc'),
      );
      mkdirSync(join(repo, blobs), { recursive: true });
      for (const name of ['model.onnx', 'model.weights'].filter((file) => only === undefined || file === only)) {
        renameSync(join(dir, 'unet', name), join(repo, blobs, name));
        symlinkSync(join(repo, blobs, name), join(dir, 'unet', name));
      }
      return dir;
    };

    it('may lead into the blobs of the same repository', async () => {
      expect((await describeModel(cache('blobs'))).hashes).toHaveProperty('unet/model.weights');
    });

    it('are refused anywhere else', async () => {
      expect(await refusal(cache('blobs-of-another'))).toMatch(/symbolic link that leaves it/);
    });

    it('are refused for the data alone, which the runtime does not open', async () => {
      expect(await refusal(cache('blobs', 'model.weights'))).toMatch(/both links of the cache or both files/);
    });
  });
});

describe('functions', () => {
  const chain = (length: number) => Array.from({ length }, (_, i) => functionBody(`f${i}`, [`f${i + 1}`]));
  const described = (functions: Buffer[]) =>
    writeModel({ 'unet/model.onnx': model([...BASE, node('f0', 'local')], ...functions) });

  it('may call each other as exporters do', async () => {
    await expect(describeModel(described(chain(30)))).resolves.toMatchObject({ latentChannels: 4 });
  });

  it.each<[string, Buffer[], RegExp]>([
    ['100,000 deep', chain(100_000), /more than 64 deep/],
    ['3,000 deep in reverse', chain(3000).reverse(), /more than 64 deep/],
    ['in a circle', [functionBody('f0', ['f1']), functionBody('f1', ['f0'])], /calls itself/],
    [
      'twice each, doubling',
      Array.from({ length: 60 }, (_, i) => functionBody(`f${i}`, [`f${i + 1}`, `f${i + 1}`])),
      /grow to more than/,
    ],
  ])('are refused %s', async (_, functions, reason) => {
    expect(await refusal(described(functions))).toMatch(reason);
  });
});

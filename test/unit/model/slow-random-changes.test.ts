import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { describeModel } from '../../../src/model/layout.js';
import { readOnnxFile } from '../../../src/model/onnx-file.js';
import { ProtobufError } from '../../../src/model/protobuf.js';
import { SMALLEST, scratch, writeModel } from './model-dir.js';

describe('a random change', () => {
  const bytes = (content: Buffer | string | null) => Buffer.from(content ?? '');
  const paths = Object.keys(SMALLEST);
  /** Overwrites, cuts or inserts at a place given as a fraction of the length. */
  const mutate = (content: Buffer, place: number, cut: number, insert: Uint8Array) => {
    const at = Math.floor(place * content.length);
    return Buffer.concat([content.subarray(0, at), insert, content.subarray(at + cut)]);
  };
  const change = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(8), fc.uint8Array({ maxLength: 8 }));

  it('of any file gives a description or MODEL_INVALID', async () => {
    const dir = writeModel();
    const outcomes = { described: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        async (path, changes) => {
          const original = bytes(SMALLEST[path] ?? null);
          const changed = changes.reduce(
            (content, [place, cut, insert]) => mutate(content, place, cut, insert),
            original,
          );
          writeFileSync(join(dir, path), changed);
          try {
            await describeModel(dir);
            outcomes.described++;
          } catch (error) {
            if (!T2IError.is(error) || error.code !== 'MODEL_INVALID') throw error;
            outcomes.refused++;
          } finally {
            writeFileSync(join(dir, path), original);
          }
        },
      ),
      { numRuns: 250, seed: 7 },
    );
    expect(outcomes.described).toBeGreaterThan(3);
    expect(outcomes.refused).toBeGreaterThan(10);
  });

  it('of a real graph gives a reading or a ProtobufError', () => {
    const whole = readFileSync(new URL('../../fixtures/tiny/unet/model.onnx', import.meta.url));
    const folder = scratch();
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'changed.onnx');
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        writeFileSync(
          path,
          changes.reduce((content, [place, cut, insert]) => mutate(content, place, cut, insert), whole),
        );
        try {
          readOnnxFile(path);
        } catch (error) {
          if (!(error instanceof ProtobufError)) throw error;
        }
      }),
      { numRuns: 1000, seed: 7 },
    );
  });
});

import { describe, expect, it } from 'vitest';
import { measureAccuracy } from '../../../../../src/backends/tensorrt/engines/accuracy.js';
import { TorchGenerator } from '../../../../../src/diffusion/torch-generator.js';
import { failure } from '../../../../support/engines.js';

const reference = new TorchGenerator(0).randn(4096);
const noise = new TorchGenerator(1).randn(4096);
const fp16 = { precision: 'fp16', against: 'onnxruntime-node 1.30.0' } as const;
const fp32 = { ...fp16, precision: 'fp32' } as const;
const noisy = (strength: number) => reference.map((value, i) => value + strength * (noise[i] as number));

describe('the accuracy gate', () => {
  it('scores the same numbers with 1 and 0', () => {
    expect(measureAccuracy('unet', reference.slice(), reference, fp32)).toEqual({
      similarity: 1,
      largestError: 0,
      against: 'onnxruntime-node 1.30.0',
    });
  });

  it('lets rounding pass and says how much there was', () => {
    const { similarity, largestError } = measureAccuracy('unet', noisy(0.01), reference, fp16);
    expect(similarity).toBeCloseTo(1 - 0.01 ** 2 / 2, 5);
    expect(largestError).toBeGreaterThan(0.005);
    expect(largestError).toBeLessThan(0.02);
  });

  it('holds float32 to more than float16', async () => {
    measureAccuracy('unet', noisy(0.03), reference, fp16);
    const error = await failure(() => measureAccuracy('unet', noisy(0.03), reference, fp32));
    expect(error.code).toBe('ENGINE_INACCURATE');
    expect(error.message).toMatch(/unet \(fp32\) differs.*similarity 0\.9995\d+, at least 0\.9999 is needed/);
  });

  it('holds bf16 to as much as float16', async () => {
    const bf16 = { ...fp16, precision: 'bf16' } as const;
    measureAccuracy('unet', noisy(0.03), reference, bf16);
    const error = await failure(() => measureAccuracy('unet', noisy(0.06), reference, bf16));
    expect(error.message).toMatch(/unet \(bf16\) differs.*at least 0\.999 is needed.*at most 0\.05 is allowed/);
    expect(error.hint).toContain('remove model.bf16.onnx');
  });

  it.each([
    ['a wrong direction', () => noisy(0.06), /similarity 0\.99/],
    ['a spot', () => reference.map((value, i) => (i === 7 ? value + 0.5 : value)), /largest error 0\.1\d+ of/],
    [
      'a scale, which the cosine does not see',
      () => reference.map((value) => value * 1.1),
      /similarity 1\.0.*largest error 0\.1000/,
    ],
    ['nothing but zeros', () => new Float32Array(4096), /similarity 0\.000000/],
    ['the opposite', () => reference.map((value) => -value), /similarity -1\.000000/],
    [
      'NaN',
      () => reference.map((value, i) => (i % 1024 === 3 ? Number.NaN : value)),
      /4 of 4096 values that are infinite/,
    ],
    ['infinities', () => reference.map((value, i) => (i === 3 ? Number.NEGATIVE_INFINITY : value)), /1 of 4096 values/],
    ['too few values', () => reference.slice(1), /gives 4095 values, onnxruntime-node 1\.30\.0 4096/],
  ])('refuses %s', async (_, engine, message) => {
    const error = await failure(() => measureAccuracy('unet', engine(), reference, fp16));
    expect(error.code).toBe('ENGINE_INACCURATE');
    expect(error.message).toMatch(message);
  });

  it('refuses to compare with what is no number itself', async () => {
    const broken = reference.map((value, i) => (i === 5 ? Number.NaN : value));
    expect((await failure(() => measureAccuracy('unet', reference, broken, fp16))).code).toBe('ENGINE_INACCURATE');
  });

  it('refuses what is right where it is large and wrong where it is small', async () => {
    const small = Float32Array.from({ length: 10_000 }, (_, i) => (i === 0 ? 100 : i % 2 === 0 ? 1 : -1));
    const engine = small.map((value, i) => (i === 0 ? value : -value));
    const error = await failure(() => measureAccuracy('unet', engine, small, fp16));
    expect(error.message).toMatch(/similarity 0\.0.*largest error 0\.0200/);
  });

  it('lets pass what is just within the limit', () => {
    const flat = new Float32Array(1000).fill(20);
    expect(measureAccuracy('unet', flat.with(7, 19), flat, fp16).largestError).toBe(0.05);
  });

  it('takes zeros for zeros alone', async () => {
    const zeros = new Float32Array(8);
    expect(measureAccuracy('unet', zeros.slice(), zeros, fp16).similarity).toBe(1);
    const error = await failure(() => measureAccuracy('unet', zeros.fill(1), new Float32Array(8), fp16));
    expect(error.code).toBe('ENGINE_INACCURATE');
    expect(error.message).toMatch(/similarity 0\.000000.*largest error Infinity/);
  });
});

import { describe, expect, it } from 'vitest';
import { formatCapability, parseCapability } from '../../../../../src/backends/tensorrt/capabilities.js';
import {
  engineKey,
  formatRange,
  mismatch,
  type WantedEngine,
} from '../../../../../src/backends/tensorrt/engines/engine-key.js';
import { headerOf } from '../../../../support/engines.js';

const header = headerOf();
const wanted: WantedEngine = {
  component: 'unet',
  onnxSha256: header.onnx.sha256,
  runtime: 'tensorrt',
  tensorrt: '10.15.1',
  computeCapabilities: [89],
  gpu: 'NVIDIA L4',
  insteadOf: [],
  precision: 'fp16',
  shapes: header.shapes,
  exactly: null,
};

describe('engine keys', () => {
  it('differ in everything that decides whether an engine fits', () => {
    const keys = [
      header,
      headerOf({ component: 'vae_decoder' }),
      headerOf({ onnx: { file: 'model.fp16.onnx', sha256: 'cd'.repeat(32) } }),
      headerOf({ runtime: 'tensorrt-rtx' }),
      headerOf({ tensorrt: '10.15.2' }),
      headerOf({ computeCapabilities: [75, 89] }),
      headerOf({ gpu: null }),
      headerOf({ precision: 'fp32' }),
      headerOf({ shapes: [] }),
      headerOf({ shapes: [{ ...header.shapes[0]!, opt: [1, 4, 16, 16] }] }),
      headerOf({ flags: { workspaceBytes: 1, timingCache: null } }),
      headerOf({ flags: { workspaceBytes: 0, timingCache: 'ef'.repeat(32) } }),
    ].map(engineKey);
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
  });

  it('do not depend on what was measured, on names or on orders', () => {
    const shapes = [header.shapes[0]!, { ...header.shapes[0]!, input: 'a' }];
    for (const [a, b] of [
      [
        header,
        headerOf({ model: 'other', driver: null, accuracy: null, sdk: '9', fallback: 'why' }, new Uint8Array(9)),
      ],
      [headerOf({ computeCapabilities: [75, 89] }), headerOf({ computeCapabilities: [89, 75] })],
      [headerOf({ shapes }), headerOf({ shapes: shapes.toReversed() })],
    ] as const) {
      expect(engineKey(a)).toBe(engineKey(b));
    }
  });

  it('stay what they are, for they name files', () => {
    const shapes = [{ ...header.shapes[0]!, input: 'timestep' }, header.shapes[0]!];
    expect(engineKey(headerOf({ shapes }))).toBe('34b1c47759e5af2804a3b87902ca18f788075ef45a220bb81a656b4b12bceb65');
    expect(engineKey(header)).toBe('05063e3bea83d15324c23cebaffaced7e110d93620da1e31ae65cac1b5eff8a0');
  });
});

describe('mismatch', () => {
  it('is empty where an engine fits', () => {
    expect(mismatch(header, wanted)).toEqual([]);
    expect(mismatch(header, { ...wanted, shapes: null })).toEqual([]);
  });

  it('takes an engine that can do more', () => {
    const shapes = [{ input: 'sample', min: [2, 4, 16, 16], opt: [2, 4, 16, 16], max: [2, 4, 16, 16] }];
    expect(mismatch(header, { ...wanted, shapes })).toEqual([]);
    const ahead = headerOf({ runtime: 'tensorrt-rtx', tensorrt: '1.7.1', computeCapabilities: [75, 89], gpu: null });
    expect(mismatch(ahead, { ...wanted, runtime: 'tensorrt-rtx', tensorrt: '1.7.1' })).toEqual([]);
  });

  it.each([
    [{ tensorrt: '10.14.0' }, 'built for TensorRT 10.14.0, this is 10.15.1'],
    [{ runtime: 'tensorrt-rtx' }, 'built for TensorRT-RTX, this is TensorRT'],
    [{ gpu: 'NVIDIA H200' }, 'built for NVIDIA H200, this is NVIDIA L4'],
    [{ gpu: null }, 'built for no GPU, this is NVIDIA L4'],
    [{ computeCapabilities: [75, 86] }, 'built for compute capability 7.5, 8.6, not 8.9'],
    [{ precision: 'fp32' }, 'built for fp32, this is fp16'],
    [{ component: 'vae_decoder' }, 'built from the vae_decoder, not the unet'],
    [{ onnx: { file: 'model.onnx', sha256: 'cd'.repeat(32) } }, 'built from another model.onnx'],
    [{ shapes: [] }, 'built without a range for sample'],
    [
      { shapes: [{ ...header.shapes[0]!, max: [4, 4, 16, 16] }] },
      'built for sample from 1x4x16x16 to 4x4x16x16, not 1x4x16x16 to 8x4x16x16',
    ],
    [
      { shapes: [{ ...header.shapes[0]!, min: [1, 4, 16, 32] }] },
      'built for sample from 1x4x16x32 to 8x4x16x16, not 1x4x16x16 to 8x4x16x16',
    ],
  ] as const)('says of %j: %s', (fields, reason) => {
    expect(mismatch(headerOf(fields as Parameters<typeof headerOf>[0]), wanted)).toEqual([reason]);
  });

  it('refuses an engine of another than the best graph that stands in for none, for another or for one of two', () => {
    const [half, brain, other] = ['ab', 'cd', 'ef'].map((byte) => byte.repeat(32)) as [string, string, string];
    const reason = ['built from model.onnx before a better graph was tried'];
    const from = (insteadOf: string[]) => headerOf({ onnx: { ...header.onnx, file: 'model.onnx' }, insteadOf });
    const fits = (insteadOf: string[], wants: string[]) => mismatch(from(insteadOf), { ...wanted, insteadOf: wants });
    expect(fits([], [half])).toEqual(reason);
    expect(fits([other], [half])).toEqual(reason);
    expect(fits([half], [half, brain])).toEqual(reason);
    expect(fits([half], [half])).toEqual([]);
    expect(fits([half, brain], [half, brain])).toEqual([]);
    // What was built where bf16 was tried too will do where it cannot be.
    expect(fits([half, brain], [half])).toEqual([]);
  });

  it('takes none but the engine that is asked for, where it is asked for exactly', () => {
    const wider = headerOf({ shapes: [{ ...header.shapes[0]!, max: [16, 4, 16, 16] }] });
    const pinned = headerOf({ flags: { workspaceBytes: 0, timingCache: 'ef'.repeat(32) } });
    expect([wider, pinned].map((other) => mismatch(other, wanted))).toEqual([[], []]);
    const reason = ['built for another profile, or with another timing cache'];
    const exactly = { ...wanted, exactly: header };
    expect([wider, pinned, header].map((other) => mismatch(other, exactly))).toEqual([reason, reason, []]);
    // What does not fit anyway says why it does not.
    expect(mismatch(headerOf({ precision: 'fp32' }), exactly)).toEqual(['built for fp32, this is fp16']);
  });

  it('asks for nothing of the GPU where there is none', () => {
    expect(mismatch(header, { ...wanted, gpu: null })).toEqual([]);
  });

  it('says of another runtime that it is another, not which version it has', () => {
    const other = headerOf({ runtime: 'tensorrt-rtx', tensorrt: '1.7.1' });
    expect(mismatch(other, wanted)).toEqual(['built for TensorRT-RTX, this is TensorRT']);
  });

  it('compares the ranges of the same input, of as many dimensions', () => {
    const sample = header.shapes[0]!;
    const small = { input: 'timestep', min: [1], opt: [1], max: [1] };
    expect(mismatch(headerOf({ shapes: [small, sample] }), wanted)).toEqual([]);
    const deeper = { ...sample, min: [...sample.min, 1], max: [...sample.max, 1] };
    expect(mismatch(headerOf({ shapes: [deeper] }), wanted)).toEqual([expect.stringMatching(/^built for sample from/)]);
  });

  it('gives every reason at once', () => {
    const other = headerOf({ tensorrt: '10.14.0', precision: 'fp32', gpu: 'NVIDIA H200', computeCapabilities: [90] });
    expect(mismatch(other, wanted)).toHaveLength(4);
  });
});

it('writes a range, or the only shape', () => {
  expect(formatRange({ min: [1, 4], max: [8, 4] })).toBe('1x4 to 8x4');
  expect(formatRange({ min: [1, 4], max: [1, 4] })).toBe('1x4');
});

it('reads and writes compute capabilities', () => {
  expect(['7.5', '8.9', '12.0'].map(parseCapability)).toEqual([75, 89, 120]);
  expect([75, 89, 120].map(formatCapability)).toEqual(['7.5', '8.9', '12.0']);
});

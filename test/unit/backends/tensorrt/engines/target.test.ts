import { describe, expect, it } from 'vitest';
import { targetOf } from '../../../../../src/backends/tensorrt/engines/target.js';
import type { NativeAddon, NativeDevice, NativeLibrary } from '../../../../../src/backends/tensorrt/native.js';
import { failure } from '../../../../support/engines.js';

const addon = { devices: () => ({ driver: '13.1' }) } as NativeAddon;
const full = { kind: 'full', version: '10.15.1' } as NativeLibrary;
const rtx = { kind: 'rtx', version: '1.7.1' } as NativeLibrary;
const device: NativeDevice = { index: 0, name: 'NVIDIA L4', computeCapability: '8.9', memoryBytes: 2 ** 34 };

describe('what engines are built for', () => {
  it('is the device at hand', () => {
    const target = { tensorrt: '10.15.1', computeCapabilities: [89], gpu: 'NVIDIA L4', driver: '13.1' };
    expect(targetOf(addon, full, device, [], null)).toEqual({ ...target, runtime: 'tensorrt' });
    expect(targetOf(addon, rtx, device, [], null)).toEqual({ ...target, runtime: 'tensorrt-rtx', tensorrt: '1.7.1' });
  });

  it('is what is asked for, with TensorRT-RTX, whatever device is there', () => {
    const target = {
      runtime: 'tensorrt-rtx',
      tensorrt: '1.7.1',
      computeCapabilities: [75, 89],
      gpu: null,
      driver: null,
    };
    expect(targetOf(addon, rtx, null, [89, 75, 89], null)).toEqual(target);
    expect(targetOf(addon, rtx, device, [89, 75], null)).toEqual(target);
  });

  it.each([
    [full, device, [89], 'none with tensorrt, which builds for the GPU at hand alone, received 89'],
    [rtx, null, [], 'received none, and no GPU here'],
    [full, null, [], 'received none, and no GPU here'],
    [rtx, null, [8.9, 89, 0], 'numbers such as 89 for 8.9, received 8.9, 0'],
  ] as const)('is refused where nobody can say or do it (%#)', async (library, card, capabilities, message) => {
    const error = await failure(() => targetOf(addon, library, card, capabilities, null));
    expect(error.code).toBe('OPTION_INVALID');
    expect(error.message).toContain(message);
  });

  it('may be any compute capability that is one', async () => {
    expect(targetOf(addon, rtx, null, [10, 9999], null).computeCapabilities).toEqual([10, 9999]);
    for (const odd of [9, 10_000]) {
      const error = await failure(() => targetOf(addon, rtx, null, [odd], null));
      expect(error.message).toContain(`received ${odd}`);
    }
  });

  it('is refused with a timing cache for TensorRT-RTX, on which it has no effect', async () => {
    const timings = new Uint8Array(3);
    expect(targetOf(addon, full, device, [], timings)).toMatchObject({ runtime: 'tensorrt' });
    const error = await failure(() => targetOf(addon, rtx, device, [], timings));
    expect(error.message).toContain('timingCache: expected none with tensorrt-rtx');
  });
});

import { expect, it } from 'vitest';
import { estimateMemory, memoryWarning } from '../../../../../src/backends/tensorrt/engines/memory.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const device = { index: 0, name: 'NVIDIA L4', computeCapability: '8.9', memoryBytes: 4 * GIB };

it('estimates what a build takes by the size of the weights', () => {
  const half = { bytes: GIB, precision: 'fp16' } as const;
  expect(estimateMemory(half, { workspaceBytes: 0, device: null })).toEqual({
    hostBytes: 700 * MIB + 5 * GIB,
    deviceBytes: 0,
  });
  expect(estimateMemory({ ...half, precision: 'fp32' }, { workspaceBytes: MIB, device })).toEqual({
    hostBytes: 700 * MIB + 10 * GIB,
    deviceBytes: 4 * GIB + MIB,
  });
});

it('warns of what is short', () => {
  const estimate = { hostBytes: 5 * GIB, deviceBytes: 6 * GIB };
  expect(memoryWarning('unet', estimate, { hostBytes: 8 * GIB, device: null })).toBeNull();
  const all = { hostBytes: 5 * GIB, device: { ...device, memoryBytes: 6 * GIB } };
  expect(memoryWarning('unet', estimate, all)).toBeNull();
  expect(memoryWarning('unet', estimate, { ...all, hostBytes: GIB })).not.toContain('GPU');
  expect(memoryWarning('unet', estimate, { hostBytes: 2 * GIB, device })).toBe(
    'unet: building the engine may take 5.0 GiB of memory, 2.0 GiB are free and 6.0 GiB on the GPU, NVIDIA L4 has 4.0 GiB',
  );
});

import { describe, expect, it } from 'vitest';
import type { NativeStepArrays } from '../../src/backends/tensorrt/native.js';
import { compareSteps } from '../support/compare-steps.js';
import { findGpuMachine } from './machine.js';

const machine = await findGpuMachine();

describe.skipIf(machine === null)('the step kernel', () => {
  it.each([
    [10_000, 100],
    [200, 5000],
  ])('has the bits of step.ts on %i random rows of %i latents', (rows, width) => {
    const { addon } = machine!.addon;
    const onGpu = (arrays: NativeStepArrays) => addon.stepDevice(arrays, machine!.device.index);
    expect(compareSteps(rows, width, onGpu)).toBeNull();
    expect(compareSteps(rows, width, addon.stepHost)).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';
import type { NativeStepArrays } from '../../src/backends/tensorrt/native.js';
import { compareSteps } from '../support/compare-steps.js';
import { findCard } from './card.js';

const card = await findCard();

describe.skipIf(card === null)('the step kernel', () => {
  it.each([
    [10_000, 100],
    [200, 5000],
  ])('has the bits of step.ts on %i random rows of %i latents', (rows, width) => {
    const { addon } = card!.addon;
    const onCard = (arrays: NativeStepArrays) => addon.stepDevice(arrays, card!.device.index);
    expect(compareSteps(rows, width, onCard)).toBeNull();
    expect(compareSteps(rows, width, addon.stepHost)).toBeNull();
  });
});

import { expect, test } from 'vitest';
import type { NativeStepArrays } from '../../src/backends/tensorrt/native.js';
import { compareSteps } from '../support/compare-steps.js';
import { loadBuild, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

test('stepHost has the bits of step.ts on 1,000,000 random rows', skipFor(noBuild('none')), () => {
  expect(compareSteps(1_000_000, 1, loadBuild('none').stepHost)).toBeNull();
});

for (const flavour of ['none', 'sim', 'cuda'] as const) {
  test(`stepHost of build/${flavour} has them on 1,000,000 random latents`, skipFor(noBuild(flavour)), () => {
    expect(compareSteps(10_000, 100, loadBuild(flavour).stepHost)).toBeNull();
  });
}

test('the kernel on the simulated device has the bits of step.ts', skipFor(noBuild('sim')), () => {
  const { stepDevice } = loadBuild('sim');
  expect(compareSteps(1_000, 300, (arrays) => stepDevice(arrays, 0))).toBeNull();
});

test('a formula that errs in one bit is found out', () => {
  const off = (arrays: NativeStepArrays) => {
    const [first] = arrays.x;
    arrays.x[0] = Math.fround((first as number) * (1 + 2 ** -23));
  };
  expect(compareSteps(100, 4, off)).toMatch(/^case \d+: x/);
});

import { expect, test } from 'vitest';
import type { NativeStepArrays } from '../../src/backends/tensorrt/native.js';
import { compareSteps } from '../support/compare-steps.js';
import { buildFolder, loadBuild } from '../support/native.js';

test.skipIf(buildFolder('none') === null)('stepHost has the bits of step.ts on 1,000,000 random rows', () => {
  expect(compareSteps(1_000_000, 1, loadBuild('none').stepHost)).toBeNull();
});

for (const flavour of ['none', 'sim', 'cuda'] as const) {
  test.skipIf(buildFolder(flavour) === null)(
    `stepHost of build/${flavour} has them on 1,000,000 random latents`,
    () => {
      expect(compareSteps(10_000, 100, loadBuild(flavour).stepHost)).toBeNull();
    },
  );
}

test.skipIf(buildFolder('sim') === null)('the kernel on the simulated device has the bits of step.ts', () => {
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

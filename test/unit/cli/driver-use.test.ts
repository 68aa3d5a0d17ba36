import { expect, it } from 'vitest';
import { driverUse } from '../../../src/cli/doctor/driver-use.js';

it('tells which TensorRT a driver runs', () => {
  expect(driverUse('13.1')).toBe('driver for CUDA 13.1, which runs TensorRT for CUDA 13 and 12');
  expect(driverUse('12.4')).toBe(
    'driver for CUDA 12.4, which runs TensorRT for CUDA 12, as pip calls it tensorrt-cu12; that for CUDA 13 needs driver 580 or newer',
  );
  expect(driverUse(null)).toBe('driver for an unknown CUDA');
});

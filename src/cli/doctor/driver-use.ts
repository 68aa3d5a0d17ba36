/** What a driver is good for, in words. @param cuda the newest CUDA that it knows, for example `12.4`; null where unknown */
export function driverUse(cuda: string | null): string {
  if (cuda === null) return 'driver for an unknown CUDA';
  const major = Number(cuda.split('.')[0]);
  const use =
    major >= 13
      ? 'runs TensorRT for CUDA 13 and 12'
      : 'runs TensorRT for CUDA 12, as pip calls it tensorrt-cu12; that for CUDA 13 needs driver 580 or newer';
  return `driver for CUDA ${cuda}, which ${use}`;
}

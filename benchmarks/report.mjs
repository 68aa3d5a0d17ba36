import { createRequire } from 'node:module';
import os from 'node:os';

/** What the numbers were measured on. */
export function machine() {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    onnxruntime: version,
  };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Runs every case once a round, starting one later each round: the order of cases alone moves a CPU's times by 10 %. */
export async function rotate(cases, rounds, say) {
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < cases.length; place++) {
      await cases[(place + round) % cases.length]();
    }
    say(`round ${round + 1}/${rounds}`);
  }
}

/** Peak signal-to-noise ratio in dB of two 8-bit pictures; Infinity where they are equal. */
export function psnr(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((255 ** 2 * a.length) / sum);
}

import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './test/run/longest-first.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They have a run of their own, vitest.gpu.config.ts: most machines have no GPU.
    exclude: [...configDefaults.exclude, 'test/gpu/**'],
    globalSetup: 'test/support/build.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
});

import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './test/run/longest-first.js';
import { unitFiles } from './test/run/unit-files.js';

const { alone } = unitFiles();

export default defineConfig({
  test: {
    globalSetup: ['test/support/build.ts', 'test/support/warm-python.ts'],
    setupFiles: 'test/support/after-file.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['test/!(unit)/**/*.test.ts', 'test/*.test.ts', ...alone],
          // They have a run of their own, vitest.gpu.config.ts: most machines have no GPU.
          exclude: [...configDefaults.exclude, 'test/gpu/**'],
        },
      },
      // Loading the modules again for each file would take as long as half of the tests.
      { extends: true, test: { name: 'shared', include: ['test/unit/**/*.test.ts'], exclude: alone, isolate: false } },
    ],
  },
});

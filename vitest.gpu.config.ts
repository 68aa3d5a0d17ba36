import { defineConfig } from 'vitest/config';

/** Tests on a GPU, one file at a time: they measure its memory. Without one they are skipped, counted, and say why. */
export default defineConfig({
  test: {
    include: ['test/gpu/**/*.test.ts'],
    globalSetup: 'test/support/build.ts',
    setupFiles: 'test/support/after-file.ts',
    // Building an engine takes minutes.
    testTimeout: 600_000,
    hookTimeout: 1_200_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { unitFiles } from '../run/unit-files.js';
import { QuickestFirst } from './quickest-first.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const include = (process.env.T2I_MUTATION_TESTS ?? '').split(',');
const { shared, alone } = unitFiles();

/**
 * The tests of one layer, by the patterns in T2I_MUTATION_TESTS; run.mjs sets it, and runner.mjs the limits of time. Nothing is built: no
 * test starts the program. Modules are loaded once for all files where that is possible, since a mutant runs few tests of many files.
 */
export default defineConfig({
  root,
  test: {
    setupFiles: 'test/support/after-file.ts',
    sequence: { sequencer: QuickestFirst },
    projects: [
      { extends: true, test: { name: 'shared', include, exclude: ['test/!(unit)/**', ...alone], isolate: false } },
      { extends: true, test: { name: 'alone', include, exclude: shared } },
    ],
  },
});

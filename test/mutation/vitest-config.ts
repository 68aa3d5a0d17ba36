import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The tests of one layer, by the patterns in T2I_MUTATION_TESTS; run.mjs sets it. Nothing is built: no test starts the program. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: { include: (process.env.T2I_MUTATION_TESTS ?? '').split(','), testTimeout: 60_000 },
});

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { QuickestFirst } from './quickest-first.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const include = (process.env.T2I_MUTATION_TESTS ?? '').split(',');

/** Whether a file of tests puts others in the place of modules: for that they must not be loaded yet. */
const mocks = (path: string) => /\bvi\.mock\(/.test(readFileSync(join(root, path), 'utf8'));
const files = readdirSync(join(root, 'test/unit'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => join('test/unit', path));

/**
 * The tests of one layer, by the patterns in T2I_MUTATION_TESTS; run.mjs sets it, and runner.mjs the limits of time. Nothing is built: no
 * test starts the program. Modules are loaded once for all files where that is possible, since a mutant runs few tests of many files.
 */
export default defineConfig({
  root,
  test: {
    sequence: { sequencer: QuickestFirst },
    projects: [
      { extends: true, test: { name: 'shared', include, exclude: files.filter(mocks), isolate: false } },
      { extends: true, test: { name: 'alone', include, exclude: files.filter((path) => !mocks(path)) } },
    ],
  },
});

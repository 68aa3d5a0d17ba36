import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pytestCounts, vitestCounts } from './counts.mjs';
import { nativeSteps } from './native-steps.mjs';

/** @import { Counts, Step } from './run-steps.mjs' */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TRAINER = join(ROOT, 'trainer');
/** What trainer/env.py ends with where a tool is missing. */
const MISSING_TOOL = 69;

/**
 * Every check of the repository, in order.
 *
 * @param {string} scratch an empty folder for reports and the packed package
 * @returns {Step[]}
 */
export function makeSteps(scratch) {
  const vitestReport = join(scratch, 'vitest.json');
  const pytestReport = join(scratch, 'pytest.xml');
  /** A tool that npm installed, run by this very node. */
  const tool = (name, ...args) => ({ command: [join(ROOT, 'node_modules', '.bin', name), ...args], cwd: ROOT });
  const python = (done, ...args) => {
    const environment = done.get(PYTHON_STEP);
    if (environment?.status !== 'ok') return { skip: `no Python environment (${environment?.reason})` };
    const interpreter = environment.output.trim().split('\n').at(-1);
    return { command: [interpreter, '-m', ...args], cwd: TRAINER };
  };
  const packed = () => join(scratch, readdirSync(scratch).find((name) => name.endsWith('.tgz')) ?? 'not-packed.tgz');

  return [
    { name: 'build', quiet: true, action: () => tool('tsc', '-p', 'tsconfig.build.json') },
    { name: 'types', quiet: true, action: () => tool('tsc', '-p', 'tsconfig.json') },
    { name: 'lint (biome)', quiet: true, action: () => tool('biome', 'check', '.') },
    { name: 'unused code (knip)', quiet: true, action: () => tool('knip') },
    {
      name: 'API reference (typedoc)',
      quiet: true,
      action: () =>
        tool(
          'typedoc',
          '--entryPoints',
          'src/index.ts',
          '--readme',
          'none',
          '--emit',
          'none',
          '--excludeInternal',
          // Where a line lies in a repository is nothing to check, and a clone need not have a remote.
          '--disableSources',
          '--treatWarningsAsErrors',
        ),
    },
    ...nativeSteps(scratch),
    {
      name: 'pack',
      quiet: true,
      action: () => ({ command: ['npm', 'pack', '--ignore-scripts', '--pack-destination', scratch], cwd: ROOT }),
    },
    { name: 'package (publint)', quiet: true, action: () => tool('publint', 'run', packed(), '--strict') },
    { name: 'types of the package (attw)', quiet: true, action: () => tool('attw', packed(), '--profile', 'esm-only') },
    {
      name: 'TypeScript tests (vitest)',
      action: () => ({
        ...tool('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${vitestReport}`),
        env: { T2I_PACKED: packed() },
      }),
      counts: () => readCounts(vitestReport, vitestCounts),
    },
    {
      name: PYTHON_STEP,
      missingToolCode: MISSING_TOOL,
      action: () => ({ command: ['python3', join(TRAINER, 'env.py')] }),
    },
    { name: 'lint (ruff)', quiet: true, action: (done) => python(done, 'ruff', 'check', ...PYTHON_SOURCES) },
    {
      name: 'format (ruff)',
      quiet: true,
      action: (done) => python(done, 'ruff', 'format', '--check', ...PYTHON_SOURCES),
    },
    {
      name: 'trainer tests (pytest)',
      action: (done) => python(done, 'pytest', `--junit-xml=${pytestReport}`),
      counts: () => readCounts(pytestReport, pytestCounts),
    },
  ];
}

const PYTHON_STEP = 'Python environment';
/** All under one set of rules. */
const PYTHON_SOURCES = ['.', join(ROOT, 'native/tools'), join(ROOT, 'benchmarks'), '--config', 'pyproject.toml'];

/** No report means that the run ended before it could count: no counts, and the step's own failure stands. */
function readCounts(path, parse) {
  return existsSync(path) ? parse(readFileSync(path, 'utf8')) : undefined;
}

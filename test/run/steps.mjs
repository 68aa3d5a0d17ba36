import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  appsSteps,
  buildStep,
  CLIENTS_STEP,
  clientsStep,
  lintStep,
  OPS_STEP,
  opsStep,
  PYTHON_STEP,
  pythonModule,
  pythonStep,
  ROOT,
  tool,
  typesStep,
  vitest,
} from './commands.mjs';
import { junitCounts, readCounts } from './counts.mjs';
import { BUILD_STEPS, nativeSteps, PREBUILD_STEP } from './native-steps.mjs';

/** @import { Step } from './run-steps.mjs' */

/**
 * Every check of the repository. Where two can run, the first of this list does: what others wait for, then what takes longest.
 *
 * @param {string} scratch an empty folder for reports and the packed package
 * @returns {Step[]}
 */
export function makeSteps(scratch) {
  const vitestReport = join(scratch, 'vitest.json');
  const pytestReport = join(scratch, 'pytest.xml');
  const installed = join(scratch, 'installed');
  const packed = () => join(scratch, readdirSync(scratch).find((name) => name.endsWith('.tgz')) ?? 'not-packed.tgz');

  return [
    // Those that wait for the network first: others compute meanwhile.
    pythonStep,
    opsStep,
    clientsStep,
    buildStep,
    ...nativeSteps(scratch),
    {
      name: 'pack',
      after: [buildStep.name, PREBUILD_STEP],
      action: () => ({ command: ['npm', 'pack', '--ignore-scripts', '--pack-destination', scratch], cwd: ROOT }),
    },
    {
      name: INSTALL_STEP,
      after: ['pack'],
      action: () => ({
        command: [process.execPath, join(ROOT, 'test/package/install-package.mjs'), packed(), installed],
      }),
    },
    {
      ...vitest('TypeScript tests (vitest)', vitestReport, ['run'], { T2I_INSTALLED: installed }),
      // They use all of it: the program, every build of the addon, the package, the peer in PyTorch.
      after: [PYTHON_STEP, OPS_STEP, CLIENTS_STEP, INSTALL_STEP, ...BUILD_STEPS],
    },
    {
      ...pythonModule('trainer tests (pytest)', 'pytest', `--junit-xml=${pytestReport}`),
      // Some of them start an MLflow server.
      after: [PYTHON_STEP, OPS_STEP],
      counts: () => readCounts(pytestReport, junitCounts),
    },
    ...appsSteps(join(scratch, 'apps.xml')),
    typesStep,
    lintStep,
    { name: 'unused code (knip)', action: () => tool('knip') },
    pythonModule('lint (ruff)', 'ruff', 'check', ...PYTHON_SOURCES),
    pythonModule('types (mypy)', 'mypy'),
    pythonModule('format (ruff)', 'ruff', 'format', '--check', ...PYTHON_SOURCES),
    {
      name: 'API reference (typedoc)',
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
          // Types are a step of their own.
          '--skipErrorChecking',
        ),
    },
    {
      name: 'package (publint)',
      after: ['pack'],
      action: () => tool('publint', 'run', packed(), '--strict'),
    },
    {
      name: 'types of the package (attw)',
      after: ['pack'],
      action: () => tool('attw', packed(), '--profile', 'esm-only'),
    },
  ];
}

const INSTALL_STEP = 'install the package';
/** All under one set of rules. */
const PYTHON_SOURCES = [
  '.',
  ...['native/tools', 'benchmarks', 'apps', 'test'].map((folder) => join(ROOT, folder)),
  ...['--config', 'pyproject.toml'],
];

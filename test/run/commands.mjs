import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { junitCounts, readCounts, vitestCounts } from './counts.mjs';

/** @import { Action, Step } from './run-steps.mjs' */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const TRAINER = join(ROOT, 'trainer');
const APPS = join(ROOT, 'apps');
/** What trainer/env.py and native/tools end with where a tool or a download is missing. */
export const MISSING_TOOL = 69;

/**
 * A tool that npm installed, run by this very node.
 *
 * @param {string} name
 * @param {string[]} args
 */
export const tool = (name, ...args) => ({ command: [join(ROOT, 'node_modules', '.bin', name), ...args], cwd: ROOT });

export const BUILD_STEP = 'build';
export const PYTHON_STEP = 'Python environment';
export const OPS_STEP = 'Python environment of DVC, MLflow and moto';
export const CLIENTS_STEP = 'Python clients of the server';

/** The program and the child processes, which tests start from dist/. */
export const buildStep = { name: BUILD_STEP, action: () => tool('tsc', '-p', 'tsconfig.build.json', '--noCheck') };

/** Of all there is, also of what the build compiles without asking. */
export const typesStep = { name: 'types', action: () => tool('tsc', '-p', 'tsconfig.json') };
export const lintStep = { name: 'lint (biome)', action: () => tool('biome', 'check', '.') };

/**
 * A run of vitest that shows its output, and leaves counts in `report`.
 *
 * @param {string} name
 * @param {string} report a JSON file that vitest-reporter.mjs writes
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {Step}
 */
export function vitest(name, report, args, env = {}) {
  return {
    name,
    live: true,
    action: () => ({
      ...tool('vitest', ...args, '--reporter=default', '--reporter=./test/run/vitest-reporter.mjs'),
      env: { ...env, T2I_VITEST_REPORT: report },
    }),
    counts: () => readCounts(report, vitestCounts),
  };
}

/** The trainer's interpreter and packages, made on first use. */
export const pythonStep = {
  name: PYTHON_STEP,
  missingToolCode: MISSING_TOOL,
  action: () => ({ command: ['python3', join(TRAINER, 'env.py')] }),
};

/** What tests of projects run besides the trainer. */
export const opsStep = {
  name: OPS_STEP,
  missingToolCode: MISSING_TOOL,
  action: () => ({
    command: ['python3', join(TRAINER, 'env.py'), '--lock', join(ROOT, 'test/ops/requirements.lock')],
  }),
};

/** Python's clients of the server, the frameworks of its apps, and what holds it against its OpenAPI document. */
export const clientsStep = {
  name: CLIENTS_STEP,
  missingToolCode: MISSING_TOOL,
  action: () => ({
    command: ['python3', join(TRAINER, 'env.py'), '--lock', join(ROOT, 'test/clients/requirements.lock')],
  }),
};

/** What mypy knows of packages lies beside the environment that they are in: reading them takes most of its time. @param {string} python */
const mypyCache = (python) => ({ MYPY_CACHE_DIR: join(dirname(dirname(python)), 'mypy-cache') });

/**
 * A step that runs a module in the trainer's environment.
 *
 * @param {string} name
 * @param {string[]} args the module and its arguments
 * @returns {Step}
 */
export function pythonModule(name, ...args) {
  return {
    name,
    after: [PYTHON_STEP],
    action: (done) =>
      unless(done, PYTHON_STEP, ({ output }) => {
        const python = lastLine(output);
        return { command: [python, '-m', ...args], cwd: TRAINER, env: mypyCache(python) };
      }),
  };
}

/**
 * The apps: their types, which the trainer's mypy checks against their frameworks, and their tests, which start the program.
 *
 * @param {string} report a JUnit report that pytest writes
 * @returns {Step[]}
 */
export function appsSteps(report) {
  return [
    {
      name: 'types of the apps (mypy)',
      after: [PYTHON_STEP, CLIENTS_STEP],
      action: (done) =>
        unless(done, PYTHON_STEP, (trainer) =>
          unless(done, CLIENTS_STEP, (clients) => ({
            command: [
              ...[lastLine(trainer.output), '-m', 'mypy', '--python-executable', lastLine(clients.output)],
              ...readdirSync(APPS, { encoding: 'utf8' }).flatMap((name) =>
                name.endsWith('.py') ? [join(APPS, name)] : [],
              ),
            ],
            cwd: TRAINER,
            env: mypyCache(lastLine(clients.output)),
          })),
        ),
    },
    {
      name: 'tests of the apps (pytest)',
      after: [CLIENTS_STEP, BUILD_STEP],
      action: (done) =>
        unless(done, CLIENTS_STEP, ({ output }) => ({
          command: [lastLine(output), '-m', 'pytest', '-p', 'no:cacheprovider', 'test/apps', `--junit-xml=${report}`],
          cwd: ROOT,
        })),
      counts: () => readCounts(report, junitCounts),
    },
  ];
}

/**
 * Skips where an earlier step did not go well.
 *
 * @param {Map<string, import('./run-steps.mjs').StepResult>} done
 * @param {string} step
 * @param {(result: import('./run-steps.mjs').StepResult) => Action} action
 * @returns {Action}
 */
export function unless(done, step, action) {
  const result = done.get(step);
  return result?.status === 'ok' ? action(result) : { skip: `${step}: ${result?.reason}` };
}

/** What a tool prints last is what it is asked for. @param {string} output */
export const lastLine = (output) => output.trim().split('\n').at(-1) ?? '';

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  appsSteps,
  buildStep,
  clientsStep,
  lintStep,
  pythonModule,
  pythonStep,
  ROOT,
  typesStep,
  vitest,
} from './commands.mjs';
import { simSteps } from './native-steps.mjs';

/** @import { Step } from './run-steps.mjs' */

/**
 * Tests that reach a changed file in ways that no import shows, because they start programs, read documents or load binaries: patterns of
 * changed files, and what vitest is to run for them. The unit tests are found by their imports.
 *
 * @type {readonly (readonly [RegExp, string])[]}
 */
const BY_PATH = [
  [/./, 'test/architecture.test.ts'],
  [/^src\//, 'test/e2e/pipeline'],
  [/^src\/(cli|bench|verify|image|pipeline)|^bin\//, 'test/e2e/cli-'],
  [/^src\/(diffusion|text|model|backends\/(onnxruntime|process|[^/]*\.ts))/, 'test/contract/onnxruntime'],
  [/^src\/(diffusion|backends\/(tensorrt|process|[^/]*\.ts))|^native\/|^CMakeLists/, 'test/contract/tensorrt'],
  [/^src\/backends\/tensorrt|^native\/|^CMakeLists|^test\/native\//, 'test/native/'],
  [/^models\//, 'test/e2e/default-model'],
  [/^apps\//, 'test/e2e/apps'],
  [/^package(-lock)?\.json$|^bin\/|^native\/tools\//, 'test/package/'],
  [/^(docs|src)\/|\.md$/, 'test/unit/docs'],
];
const IS_TEST = /^test\/.*\.test\.ts$/;
/** Given to vitest where imports are followed. */
const HAS_IMPORTS = /^(src|test)\/.*\.(ts|mjs)$/;

/**
 * The checks that a change of these files can touch.
 *
 * @param {readonly string[]} files paths from the root, with forward slashes; those that are gone may be among them
 * @param {string} scratch an empty folder for reports
 * @returns {Step[]}
 */
export function changedSteps(files, scratch) {
  const some = (pattern) => files.some((file) => pattern.test(file));
  const typescript = some(/\.(ts|mjs)$|^package|^tsconfig/);
  const native = some(/^native\/.*\.(cc|h|cu|cmake)$|^CMakeLists|^test\/native\/(core|fake)\//);
  const apps = some(/^(test\/)?apps\//);
  const trainer = some(/\.py$|^trainer\//);
  return [
    buildStep,
    ...(typescript ? [typesStep] : []),
    lintStep,
    ...(native ? simSteps(scratch) : []),
    ...(trainer
      ? [
          pythonStep,
          pythonModule('lint (ruff)', 'ruff', 'check', '.'),
          pythonModule('types (mypy)', 'mypy'),
          pythonModule('trainer tests (pytest)', 'pytest'),
        ]
      : []),
    ...(apps ? [clientsStep, ...appsSteps(join(scratch, 'apps.xml'))] : []),
    ...vitestSteps(files, scratch, native ? simSteps(scratch).map(({ name }) => name) : []),
  ];
}

/** Two runs: vitest takes either files whose importers are to run, or names of tests. */
function vitestSteps(files, scratch, after) {
  const related = files.filter((file) => HAS_IMPORTS.test(file) && existsSync(join(ROOT, file)));
  const named = [
    ...BY_PATH.filter(([pattern]) => files.some((file) => pattern.test(file))).map(([, test]) => test),
    ...files.filter((file) => IS_TEST.test(file) && existsSync(join(ROOT, file))),
  ];
  const run = (name, ...args) => ({
    ...vitest(name, join(scratch, `${name}.json`), args),
    after: [buildStep.name, ...after],
  });
  return [
    ...(related.length > 0
      ? [run('tests by import (vitest)', 'related', '--run', '--exclude', 'test/!(unit)/**', ...related)]
      : []),
    ...(named.length > 0 ? [run('tests by path (vitest)', 'run', ...named)] : []),
  ];
}

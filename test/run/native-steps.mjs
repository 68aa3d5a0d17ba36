import { join } from 'node:path';
import { lastLine, MISSING_TOOL, ROOT, unless } from './commands.mjs';
import { junitCounts, readCounts } from './counts.mjs';

/** @import { Step } from './run-steps.mjs' */

const COMPILER_STEP = 'CUDA compiler';
/** Sanitizers end a test at the first thing they find. */
const SANITIZERS = {
  ASAN_OPTIONS: 'detect_leaks=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1',
};

/** Builds of the addon, and the tests of the core where they have some. */
const FLAVOURS = ['none', 'sim', 'asan', 'tsan'];
const buildStep = (flavour) => `addon (${flavour})`;
const TESTED = ['sim', 'asan', 'tsan'];

/** What the tests through Node find in build/. */
export const BUILD_STEPS = [...FLAVOURS, 'cuda'].map(buildStep);
export const PREBUILD_STEP = 'binary that ships (prebuildify)';

/**
 * Everything native that needs no Node: layout, every build, the core's tests, and the binary that ships. The tests through
 * Node are among the others and find the builds.
 *
 * @param {string} scratch an empty folder for reports
 * @returns {Step[]}
 */
export function nativeSteps(scratch) {
  return [
    python('C++ layout (clang-format)', 'format.py'),
    python(COMPILER_STEP, 'nvidia.py', 'cuda'),
    ...FLAVOURS.map(buildOf),
    {
      name: buildStep('cuda'),
      after: [COMPILER_STEP],
      missingToolCode: MISSING_TOOL,
      action: (done) =>
        unless(done, COMPILER_STEP, ({ output }) => ({ ...build('cuda'), env: { T2I_CUDA_HOME: lastLine(output) } })),
    },
    ...TESTED.map((flavour) => coreTests(flavour, join(scratch, `core-${flavour}.xml`))),
    {
      name: PREBUILD_STEP,
      after: [COMPILER_STEP, buildStep('cuda')],
      action: (done) =>
        unless(done, buildStep('cuda'), () => ({
          command: ['npm', 'run', '--silent', 'prebuilds'],
          cwd: ROOT,
          env: { T2I_CUDA_HOME: lastLine(done.get(COMPILER_STEP).output) },
        })),
    },
  ];
}

/**
 * The simulated device and the tests of the core on it, the quickest of all flavours.
 *
 * @param {string} scratch an empty folder for reports
 * @returns {Step[]}
 */
export const simSteps = (scratch) => [buildOf('sim'), coreTests('sim', join(scratch, 'core-sim.xml'))];

const buildOf = (flavour) => ({
  name: buildStep(flavour),
  missingToolCode: MISSING_TOOL,
  action: () => build(flavour),
});
const build = (flavour) => ({ command: [process.execPath, join(ROOT, 'native/tools/build.mjs'), flavour], cwd: ROOT });

function python(name, script, ...args) {
  const command = ['python3', join(ROOT, 'native/tools', script), ...args];
  return { name, missingToolCode: MISSING_TOOL, action: () => ({ command, cwd: ROOT }) };
}

function coreTests(flavour, xml) {
  const command = [join(ROOT, 'build', flavour, 'core_tests'), '--gtest_brief=1', `--gtest_output=xml:${xml}`];
  // Slow readers of files, with one thread: nothing that ThreadSanitizer could find.
  if (flavour === 'tsan') command.push('--gtest_filter=-ReadElf.*:FindLibraries.*');
  return {
    name: `core tests (${flavour})`,
    after: [buildStep(flavour)],
    action: (done) => unless(done, buildStep(flavour), () => ({ command, cwd: ROOT, env: SANITIZERS })),
    counts: () => readCounts(xml, junitCounts),
  };
}

import { readdirSync } from 'node:fs';

/** Tests of src/ops/ that wait for processes that they start or kill. */
const TESTS_OF_PROGRAMS = [
  '**/*kills.test.ts',
  'test/unit/ops/promotion/s3.test.ts',
  'test/unit/ops/s3/push.test.ts',
  ...['host', 'local', 'secrets', 'submit'].map((name) => `test/unit/ops/sagemaker/${name}.test.ts`),
];
/** What is left out starts a stand-in for AWS, and the containers of jobs. */
const TESTS_OF_CLI = ['test/unit/cli/**/*.test.ts', '!test/unit/cli/jobs.test.ts'];
/** SageMaker on this machine, but for what is held against no container. */
const OPS_OF_PROGRAMS = ['channels', 'course', 'faults', 'host', 'output', 'server'].map(
  (name) => `src/ops/sagemaker/local/${name}.ts`,
);

/** The addon on the simulated device, and what stands in for TensorRT. */
const SIM = { folder: 'build', file: 'build/sim/Release/t2i.node', command: 'node native/tools/build.mjs sim' };
/** Children and threads are started from it, whatever the tests import. */
const DIST = { folder: 'dist', file: 'dist/index.js', command: 'npm run build' };

/**
 * What tests need that is built: a folder, a file that is there once it is, and what builds it.
 *
 * @typedef {{ folder: string, file: string, command: string }} Built
 *
 * The layers of src/ that are mutated one after another, each with the tests that are meant to catch what breaks in it, and the score
 * that is aimed at. Tests that start the program are none of them: a mutant lives in the process of the tests alone.
 *
 * @typedef {{ name: string, mutate: readonly string[], tests: readonly string[], built?: readonly Built[], aim: number }} Layer
 * @type {readonly Layer[]}
 */
export const LAYERS = [
  folder('diffusion', 95),
  folder('text', 85),
  {
    ...folder('model', 95),
    // What is left out takes seconds a test.
    tests: ['test/unit/model/**/*.test.ts', '!**/slow-*.test.ts', 'test/unit/cli/hash-cache.test.ts'],
  },
  { ...folder('image', 85), tests: ['test/unit/image/**/*.test.ts', 'test/unit/verify.test.ts'] },
  {
    name: 'process',
    // watchdog.ts is a thread of a child process, where no mutant lives; engines.ts belongs to TensorRT.
    mutate: [
      'src/backends/*.ts',
      '!src/backends/engines.ts',
      'src/backends/process/**/*.ts',
      '!src/backends/process/watchdog.ts',
    ],
    tests: ['test/unit/backends/*.test.ts', '!**/cpu-runtime.test.ts', 'test/unit/backends/process/**/*.test.ts'],
    aim: 95,
  },
  {
    name: 'onnxruntime',
    mutate: ['src/backends/onnxruntime/**/*.ts'],
    // They ask for the runtime that `npm run build` lays beside dist/.
    tests: ['test/unit/backends/*.test.ts', 'test/unit/backends/onnxruntime/**/*.test.ts'],
    aim: 85,
  },
  {
    name: 'tensorrt',
    // noise-child.ts is a thread, where no mutant lives. Children run in the tests' own process: see test/support/children-here.ts.
    mutate: ['src/backends/engines.ts', 'src/backends/tensorrt/**/*.ts', '!src/backends/tensorrt/noise-child.ts'],
    tests: [
      'test/unit/backends/tensorrt/**/*.test.ts',
      // Another process writes what that test reads.
      '!**/killed-writer.test.ts',
      // Of those on the simulated device the ones that take seconds; where processes of their own build engines it is a minute.
      ...['batches', 'noise-thread'].map((name) => `test/native/${name}.test.ts`),
    ],
    built: [SIM, DIST],
    aim: 85,
  },
  {
    name: 'pipeline',
    mutate: ['src/*.ts', '!src/verify.ts', 'src/pipeline/**/*.ts'],
    tests: ['test/unit/*.test.ts', 'test/unit/pipeline/**/*.test.ts'],
    aim: 85,
  },
  {
    name: 'verify',
    mutate: ['src/verify.ts', 'src/verify/**/*.ts'],
    tests: ['test/unit/verify.test.ts', 'test/unit/verify/**/*.test.ts'],
    aim: 85,
  },
  { ...folder('cli', 85), mutate: ['src/cli/*.ts'], tests: TESTS_OF_CLI },
  // Commands share their tests of the command line, and of what their parts have in common.
  ...partsOf('cli').map((part) => ({ ...folder(`cli/${part}`, 85), tests: TESTS_OF_CLI })),
  {
    ...folder('bench', 85),
    // What is left out measures other processes: tests of the whole program start them.
    mutate: ['src/bench/**/*.ts', '!src/bench/backend/first-image*.ts', '!src/bench/diffusers/*.ts'],
  },
  folder('hub', 85),
  folder('ai', 85),
  folder('python', 85),
  { ...folder('server', 85), mutate: ['src/server/*.ts'] },
  ...partsOf('server').map((part) => ({
    name: `server/${part}`,
    // The page's scripts run in a browser, and the admin port's in a thread of its own.
    mutate: [`src/server/${part}/**/*.ts`, '!src/server/page/browser/**/*.ts', '!src/server/admin/admin-child.ts'],
    // The whole server is asked in most tests; those of several servers at one Redis run in this process, too.
    tests: ['test/unit/server/**/*.test.ts', ...(part === 'redis' ? ['test/contract/server/shared-*.test.ts'] : [])],
    aim: 85,
  })),
  folder('http', 85),
  folder('aws', 85),
  { name: 'ops', mutate: ['src/ops/*.ts'], tests: ['test/unit/aws/**/*.test.ts'], aim: 85 },
  ...partsOf('ops').map((part) => {
    const { mutate, tests, ...layer } = folder(`ops/${part}`, 85);
    return { ...layer, mutate: [...mutate, ...out(OPS_OF_PROGRAMS)], tests: [...tests, ...out(TESTS_OF_PROGRAMS)] };
  }),
];

/** The folders of a folder of src/. */
function partsOf(name) {
  const entries = readdirSync(new URL(`../../src/${name}`, import.meta.url), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Patterns of what is left out. */
function out(patterns) {
  return patterns.map((pattern) => `!${pattern}`);
}

/** A folder of src/ whose tests lie in the folder of the same name. */
function folder(name, aim) {
  return { name, mutate: [`src/${name}/**/*.ts`], tests: [`test/unit/${name}/**/*.test.ts`], aim };
}

import { readdirSync } from 'node:fs';

/**
 * The layers of src/ that are mutated one after another, each with the tests that are meant to catch what breaks in it, and the score
 * that is aimed at. Tests that start the program are none of them: a mutant lives in the process of the tests alone.
 *
 * @typedef {{ name: string, mutate: readonly string[], tests: readonly string[], aim: number }} Layer
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
    mutate: ['src/backends/engines.ts', 'src/backends/tensorrt/**/*.ts'],
    // Another process writes what that test reads.
    tests: ['test/unit/backends/tensorrt/**/*.test.ts', '!**/killed-writer.test.ts'],
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
  folder('cli', 85),
  {
    ...folder('bench', 85),
    // What is left out measures other processes: tests of the whole program start them.
    mutate: ['src/bench/**/*.ts', '!src/bench/backend/first-image*.ts', '!src/bench/diffusers/*.ts'],
  },
  folder('hub', 85),
  folder('ai', 85),
  folder('python', 85),
  { ...folder('server', 85), mutate: ['src/server/**/*.ts', '!src/server/page/browser/**/*.ts'] },
  folder('http', 85),
  folder('aws', 85),
  { name: 'ops', mutate: ['src/ops/*.ts'], tests: ['test/unit/aws/**/*.test.ts'], aim: 85 },
  ...readdirSync(new URL('../../src/ops', import.meta.url), { withFileTypes: true })
    .filter((part) => part.isDirectory())
    .map(({ name }) => {
      const { tests, ...layer } = folder(`ops/${name}`, 85);
      // What is left out waits for processes that it starts or kills.
      const without = ['!**/*kills.test.ts', '!test/unit/ops/promotion/s3.test.ts', '!test/unit/ops/s3/push.test.ts'];
      return { ...layer, tests: [...tests, ...without] };
    }),
];

/** A folder of src/ whose tests lie in the folder of the same name. */
function folder(name, aim) {
  return { name, mutate: [`src/${name}/**/*.ts`], tests: [`test/unit/${name}/**/*.test.ts`], aim };
}

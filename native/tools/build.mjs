/**
 * Builds the addon in one of its flavours, each in a folder of its own:
 *
 *     node native/tools/build.mjs none     build/none: no CUDA compiler needed; finds TensorRT and builds engines ahead of time
 *     node native/tools/build.mjs cuda     build/cuda: with our kernels; T2I_CUDA_HOME is what native/tools/nvidia.py cuda prints
 *     node native/tools/build.mjs ship     build/ship: as cuda, or as none without T2I_CUDA_HOME, for glibc 2.28 and newer: what is published
 *     node native/tools/build.mjs sim      build/sim: a simulated device, stand-ins for TensorRT and the core's tests
 *     node native/tools/build.mjs asan     as sim, under AddressSanitizer and UndefinedBehaviorSanitizer
 *     node native/tools/build.mjs tsan     as sim, under ThreadSanitizer
 *
 * Exits with 69 where a compiler is missing.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MISSING_TOOL = 69;

/** What CMake is told for each flavour. */
const FLAVOURS = {
  none: { T2I_DEVICE: 'none' },
  cuda: { T2I_DEVICE: 'cuda' },
  ship: { T2I_DEVICE: process.env.T2I_CUDA_HOME ? 'cuda' : 'none' },
  sim: { T2I_DEVICE: 'sim', T2I_TESTS: 'ON' },
  asan: { T2I_DEVICE: 'sim', T2I_TESTS: 'ON', T2I_SANITIZE: 'address,undefined' },
  tsan: { T2I_DEVICE: 'sim', T2I_TESTS: 'ON', T2I_SANITIZE: 'thread' },
};

function fail(message, code) {
  console.error(message);
  process.exit(code);
}

/** One that links no newer glibc than the systems have where GPUs are. */
function portableCompiler() {
  const { status, stdout, stderr } = spawnSync('python3', [join(ROOT, 'native/tools/zig.py')], { encoding: 'utf8' });
  if (status !== 0) fail(stderr?.trim() || 'python3 is not installed', MISSING_TOOL);
  return stdout.trim();
}

function canInclude(header) {
  return spawnSync('g++', ['-E', '-x', 'c++', '-', '-o', '/dev/null'], { input: `#include <${header}>` }).status === 0;
}

const [flavour, ...rest] = process.argv.slice(2);
const settings = FLAVOURS[flavour];
if (settings === undefined || rest.length > 0) {
  fail(`expected one of ${Object.keys(FLAVOURS).join(', ')}, received ${process.argv.slice(2).join(' ')}`, 2);
}
for (const tool of ['cmake', 'g++']) {
  if (spawnSync(tool, ['--version']).status !== 0) fail(`${tool} is not installed`, MISSING_TOOL);
}
if (settings.T2I_TESTS && !canInclude('gtest/gtest.h'))
  fail('GoogleTest (libgtest-dev) is not installed', MISSING_TOOL);
const cudaHome = process.env.T2I_CUDA_HOME ?? process.env.CUDA_HOME;
const withCuda = settings.T2I_DEVICE === 'cuda';
if (withCuda && !cudaHome)
  fail('T2I_CUDA_HOME names no folder with NVRTC of CUDA 12: python3 native/tools/nvidia.py cuda', MISSING_TOOL);

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const defines = {
  ...settings,
  T2I_VERSION: version,
  ...(withCuda && { T2I_CUDA_HOME: cudaHome }),
  ...(flavour === 'ship' && { CMAKE_CXX_COMPILER: portableCompiler() }),
};
const args = ['--log-level', 'warn', '--out', join(ROOT, 'build', flavour)];
for (const [name, value] of Object.entries(defines)) args.push(`--CD${name}=${value}`);
const cmakeJs = join(ROOT, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
// Two clones share a cache, whatever folders they lie in.
const env = { ...process.env, CCACHE_BASEDIR: ROOT, CCACHE_NOHASHDIR: '1' };
// Of a folder that was configured before, `compile` keeps what was defined then, such as an addon without CUDA.
for (const command of ['configure', 'compile']) {
  const { status } = spawnSync(process.execPath, [cmakeJs, command, ...args], { cwd: ROOT, env, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NativeDevices } from '../../src/backends/tensorrt/native.js';
import { buildFolder, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { noCommand, skipFor } from '../support/skip-for.js';

// The addon as it ships, over a stand-in for the CUDA driver: which drivers it takes, what it says of the others, and what their
// errors become.

const SOURCE = fileURLToPath(new URL('driver/libcuda.cc', import.meta.url));
const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));

const build = buildFolder('cuda');
const lack = noBuild('cuda') ?? noNvidia('cuda') ?? noCommand('g++');

describe('with a driver', skipFor(lack), () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 't2i-driver-'));
    compile('libcuda.so.1');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function compile(name: string, ...flags: string[]) {
    const header = join(nvidiaFolder('cuda') as string, 'cuda_runtime/include');
    const args = ['-std=c++17', '-ffp-contract=off', '-shared', '-fPIC', `-I${NATIVE}`, '-isystem', header, ...flags];
    execFileSync('g++', [...args, SOURCE, '-o', join(folder, name)]);
  }

  /** Runs `body`, which has the addon as `addon`, in a process with the stand-in, and gives its result. */
  function withDriver<T>(settings: string, body: string): T {
    const script = `const addon = require(${JSON.stringify(join(build as string, 'Release', 't2i.node'))});
      console.log(JSON.stringify((() => { ${body} })()));`;
    const env = { ...process.env, LD_LIBRARY_PATH: folder, T2I_FAKE_DRIVER: settings };
    const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env });
    expect([status, stderr]).toEqual([0, '']);
    return JSON.parse(stdout) as T;
  }
  const devices = (settings: string) => withDriver<NativeDevices>(settings, 'return addon.devices();');

  /** Runs one plan row on the device, and as often as `times` says; the results or the codes and messages of the errors. */
  const step = (settings: string, times = 1) =>
    withDriver<(number[][] | [string, string])[]>(
      settings,
      `const floats = (...values) => Float32Array.from(values);
       const run = (by, ...more) => {
         const arrays = { row: floats(0.9, -0.1, 0.1, 0.9, 0.8, 0.2, 0.3, 0.1), x: floats(0.5, -1.25), x0: floats(0.1, 0.2),
           conditional: floats(0.3, 0.7), unconditional: floats(0.2, -0.4), guidanceScale: 5.5, noise: floats(1.5, -0.5), clip: 2 };
         try { by(arrays, ...more); } catch ({ code, message }) { return [code, message]; }
         return [[...arrays.x], [...arrays.x0]];
       };
       return [run(addon.stepHost), ...Array.from({ length: ${times} }, () => run(addon.stepDevice, 0))];`,
    );

  test.each([
    ['12000', '12.0'],
    ['12040', '12.4'],
    ['12080', '12.8'],
    ['13000', '13.0'],
  ])('that knows CUDA %s it works', (version, text) => {
    expect(devices(`version=${version}`)).toMatchObject({
      kind: 'cuda',
      available: true,
      driver: text,
      devices: [{ index: 0, name: 'stand-in GPU', computeCapability: '8.9', memoryBytes: 2 ** 30 }],
    });
  });

  test('that is older it says which is needed', () => {
    expect(devices('version=11080')).toMatchObject({
      available: false,
      driver: '11.8',
      devices: [],
      reason: 'the NVIDIA driver is too old: it knows CUDA 11.8, and this addon needs a driver for CUDA 12.0 or newer',
      hint: expect.stringContaining('Update'),
    });
  });

  test('that sees no GPU, or cannot be used, it says so', () => {
    expect(devices('devices=0')).toMatchObject({ available: false, reason: 'the NVIDIA driver sees no GPU' });
    expect(devices('fail=cuInit:802').reason).toMatch(/^CUDA cannot be used: .*CUDA error 802/);
    expect(devices('fail=cuDeviceGetCount:999').reason).toMatch(/^CUDA cannot be used: .*CUDA error 999/);
  });

  test.each(['75', '89', '90', '121'])('kernels run as machine code on compute capability %s', (compute) => {
    const [host, device] = step(`compute=${compute},expect=machine`);
    expect(device).toEqual(host);
  });

  test('kernels run as portable code on a generation that nobody knows yet', () => {
    const [host, device] = step('compute=140,expect=portable');
    expect(device).toEqual(host);
  });

  test('an error that takes the device fails every later call at once, and says how to go on', () => {
    const [, first, second] = step('fail=cuStreamSynchronize:700', 2) as [unknown, [string, string], [string, string]];
    expect(first).toEqual(['DEVICE_LOST', expect.stringMatching(/^cuStreamSynchronize: .*CUDA error 700/)]);
    expect(second).toEqual(['DEVICE_LOST', expect.stringMatching(/^cuCtxSetCurrent: .*CUDA error 700/)]);
  });

  test.each([
    ['fail=cuMemAlloc_v2:2', 'OUT_OF_MEMORY'],
    ['fail=cuLaunchKernel:701', 'BACKEND_FAILED'],
    ['fail=cuModuleLoadData:209', 'BACKEND_FAILED'],
    ['fail=cuModuleLoadData:222', 'BACKEND_FAILED'],
  ])('%s is %s', (settings, code) => {
    const [, [received, message]] = step(settings) as [unknown, [string, string]];
    expect([received, message]).toEqual([code, expect.stringContaining('the stand-in was told to fail')]);
  });
});

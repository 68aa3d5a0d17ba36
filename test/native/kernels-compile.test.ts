import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFolder, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

// What no machine without a GPU can run can still be read: the machine code of our kernels in the cuda build.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KERNELS = ['prepare_kernel', 'step_kernel', 'decoder_input_kernel', 'rgb_kernel'];
const GENERATIONS = ['75', '80', '86', '89', '90', '100', '120'];

const build = buildFolder('cuda');
const toolkit = build === null ? null : nvidiaFolder('cuda');
const lack = noBuild('cuda') ?? noNvidia('cuda');
let folder: string;
let built: MachineCode[];

interface MachineCode {
  sm: string;
  name: string;
  code: string;
}

beforeAll(() => {
  if (lack === null) built = machineCode(join(build as string, 'step.o'));
  folder = mkdtempSync(join(tmpdir(), 't2i-kernels-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(tool: string, ...args: string[]): string {
  const env = { ...process.env, PATH: `${toolkit}/bin:${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync(join(toolkit as string, 'bin', tool), args, {
    encoding: 'utf8',
    env,
    maxBuffer: 2 ** 30,
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

/** Machine code by generation and function. */
function machineCode(object: string): MachineCode[] {
  return run('cuobjdump', '-sass', object)
    .split(/^\s*code for sm_/m)
    .slice(1)
    .flatMap((part) => {
      const sm = /^\d+/.exec(part)?.[0] ?? '';
      return part
        .split('Function : ')
        .slice(1)
        .map((body) => ({ sm, name: /^\S+/.exec(body)?.[0] ?? '', code: body }));
    });
}

test('every kernel is there for every generation, as machine code and as portable code', skipFor(lack), () => {
  for (const sm of GENERATIONS) {
    for (const kernel of KERNELS) {
      const both = built.filter((code) => code.sm === sm && code.name.includes(kernel));
      expect(both, `${kernel} for sm_${sm}`).toHaveLength(2);
    }
  }
  const portable = run('cuobjdump', '--list-ptx', join(build as string, 'step.o'));
  expect(portable).toMatch(/sm_75/);
});

test('no kernel spills registers to memory or has a stack', skipFor(lack), () => {
  const usage = run('cuobjdump', '--dump-resource-usage', join(build as string, 'step.o'));
  const lines = usage.split('\n').filter((line) => line.includes('REG:'));
  expect(lines.length).toBeGreaterThanOrEqual(2 * KERNELS.length * GENERATIONS.length);
  for (const line of lines) expect(line).toMatch(/STACK:0 .*LOCAL:0 /);
});

test('the step kernel multiplies and adds with a rounding each', skipFor(lack), () => {
  const steps = built.filter(({ name }) => name.includes('step_kernel'));
  expect(steps.length).toBeGreaterThanOrEqual(2 * GENERATIONS.length);
  for (const { code, sm } of steps) {
    expect(code, `sm_${sm}`).toMatch(/\bFMUL/);
    expect(code, `sm_${sm}`).not.toMatch(/\bFFMA/);
  }
});

test('without -fmad=false it would not', skipFor(lack), () => {
  const object = join(folder, 'fused.cubin');
  run(
    'nvcc',
    ...['-std=c++17', '-O3', '-cubin', '-arch=sm_89', '-I', join(ROOT, 'native')],
    ...[join(ROOT, 'native/step.cu'), '-o', object],
  );
  const steps = machineCode(object).filter(({ name }) => name.includes('step_kernel'));
  expect(steps).toHaveLength(2);
  for (const { code } of steps) expect(code).toMatch(/\bFFMA/);
});

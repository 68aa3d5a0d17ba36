import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFolder, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

// What no machine without a GPU can run can still be read: the machine code of our kernels in the cuda build.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KERNELS = ['prepare', 'step', 'decoder_input', 'rgb'].flatMap((kernel) => [
  `${kernel}_float32`,
  `${kernel}_float16`,
  `${kernel}_bfloat16`,
]);
const GENERATIONS = ['75', '80', '86', '89', '90', '100', '120'];

const build = buildFolder('cuda');
const packages = build === null ? null : nvidiaFolder('cuda');
const lack = noBuild('cuda') ?? noNvidia('cuda');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-kernels-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${packages}/cu13/bin:${process.env.PATH}` },
    maxBuffer: 2 ** 30,
  });
  // What reads machine code is newer than what wrote it, and says so.
  expect(stderr.replace(/^nvdisasm warning : Disassembling Std Elf to Old format.*\n/gm, '')).toBe('');
  expect(status).toBe(0);
  return stdout;
}

/** Machine code by function. */
function machineCode(file: string): Map<string, string> {
  const functions = run('cuobjdump', '-sass', file).split('Function : ').slice(1);
  return new Map(functions.map((body) => [/^\S+/.exec(body)?.[0] ?? '', body]));
}
const cubin = (generation: string, from = join(build as string, 'kernels')) => join(from, `sm_${generation}.cubin`);

test('every kernel is there for every generation, as machine code and as portable code', skipFor(lack), () => {
  for (const generation of GENERATIONS) {
    expect([...machineCode(cubin(generation)).keys()].sort(), generation).toEqual([...KERNELS].sort());
  }
  const portable = readFileSync(join(build as string, 'kernels/portable.ptx'), 'utf8');
  expect(portable).toMatch(/^\.target sm_75$/m);
  for (const kernel of KERNELS) expect(portable).toContain(`.entry ${kernel}(`);
});

test('they are made for drivers of CUDA 12', skipFor(lack), () => {
  // The newest PTX that those know; machine code of one major version of CUDA runs with all its drivers.
  const version = /^\.version (\d+)\.(\d+)/m.exec(readFileSync(join(build as string, 'kernels/portable.ptx'), 'utf8'));
  expect(Number(version?.[1])).toBeLessThan(9);
});

test('no kernel spills registers to memory or has a stack', skipFor(lack), () => {
  for (const generation of GENERATIONS) {
    const usage = run('cuobjdump', '--dump-resource-usage', cubin(generation));
    const lines = usage.split('\n').filter((line) => line.includes('REG:'));
    expect(lines).toHaveLength(KERNELS.length);
    for (const line of lines) expect(line).toMatch(/STACK:0 .*LOCAL:0 /);
  }
});

test('the step kernel multiplies and adds with a rounding each', skipFor(lack), () => {
  for (const generation of GENERATIONS) {
    const code = machineCode(cubin(generation));
    for (const kernel of ['step_float32', 'step_float16', 'step_bfloat16']) {
      expect(code.get(kernel), `${kernel} of sm_${generation}`).toMatch(/\bFMUL/);
      expect(code.get(kernel), `${kernel} of sm_${generation}`).not.toMatch(/\bFFMA/);
    }
  }
});

test('without --fmad=false it would not', skipFor(lack), () => {
  run('python3', join(ROOT, 'native/tools/kernels.py'), packages as string, folder, '--fused');
  expect(machineCode(cubin('89', folder)).get('step_float32')).toMatch(/\bFFMA/);
});

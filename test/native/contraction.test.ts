import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROW_LENGTH } from '../../src/diffusion/plan.js';
import { guide, step } from '../../src/diffusion/step.js';
import { noBuild } from '../support/native.js';
import { noCommand, noLinuxX64, skipFor } from '../support/skip-for.js';
import { firstDifference, StepCases } from '../support/step-cases.js';

// Why native code is compiled with -ffp-contract=off: with fused multiply-adds, which gcc makes of its own accord wherever the
// processor has them, the bits are others.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RECORD = ROW_LENGTH + 7;
const CASES = 20_000;
/** Instructions of x86-64 and AArch64 that multiply and add with one rounding. */
const FUSED = /\bv?fn?m(add|sub|la|ls)/;

const noCompiler = noLinuxX64 ?? noCommand('g++');
const noFma =
  noCompiler ??
  (/ fma /.test(readFileSync('/proc/cpuinfo', 'utf8')) ? null : 'this processor has no fused multiply-add');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 't2i-contraction-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The flag that CMakeLists.txt gives every file. */
function projectFlag(): string {
  return /-ffp-contract=\w+/.exec(readFileSync(join(ROOT, 'CMakeLists.txt'), 'utf8'))?.[0] ?? 'no -ffp-contract';
}

function compile(contract: string): string {
  const program = join(folder, contract);
  const source = join(ROOT, 'test/native/step/step_program.cc');
  const args = ['-std=c++17', '-O3', '-mfma', contract, '-I', join(ROOT, 'native'), source, '-o', program];
  const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return program;
}

function disassembly(file: string): string {
  return spawnSync('objdump', ['-d', '--no-show-raw-insn', file], { encoding: 'utf8', maxBuffer: 2 ** 30 }).stdout;
}

/** What TypeScript and a program make of the same cases; index of the first difference, or -1. */
function compare(program: string): number {
  const input = new StepCases().fill(new Float32Array(CASES * RECORD));
  const expected = new Float32Array(CASES * 3);
  for (let i = 0; i < CASES; i++) {
    const record = input.subarray(i * RECORD, (i + 1) * RECORD);
    // A clamp has a magnitude.
    record[ROW_LENGTH + 4] = Math.abs(record[ROW_LENGTH + 4] as number);
    const at = (index: number) => Float32Array.of(record[ROW_LENGTH + index] as number);
    const [state, guided] = [{ x: at(0), x0: at(3) }, at(5)];
    step(state, record, 0, at(1), at(2), 0, record[ROW_LENGTH + 4] as number);
    guide(guided, at(1), record[ROW_LENGTH + 6] as number);
    expected.set([state.x[0] as number, state.x0[0] as number, guided[0] as number], 3 * i);
  }
  const { stdout } = spawnSync(program, { input: Buffer.from(input.buffer), maxBuffer: 2 ** 30 });
  return firstDifference(new Float32Array(new Uint8Array(stdout).buffer), expected);
}

test('with the flag of CMakeLists.txt nothing is fused, and the bits are those of step.ts', skipFor(noFma), () => {
  const program = compile(projectFlag());
  expect(disassembly(program)).not.toMatch(FUSED);
  expect(compare(program)).toBe(-1);
});

test('with contraction the compiler fuses, and the bits differ', skipFor(noFma), () => {
  const program = compile('-ffp-contract=fast');
  expect(disassembly(program)).toMatch(FUSED);
  expect(compare(program)).toBeGreaterThanOrEqual(0);
});

test('the addon has no fused multiply-add in it', skipFor(noCompiler, noBuild('none')), () => {
  const addon = disassembly(join(ROOT, 'build/none/Release/t2i.node'));
  expect(addon.length).toBeGreaterThan(100_000);
  expect(addon).not.toMatch(FUSED);
});

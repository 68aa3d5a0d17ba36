import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { encodeFrame, FrameReader } from '../../src/backends/process/frames.js';
import { stepCases } from '../support/compare-steps.js';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';

const SCRIPT = fileURLToPath(new URL('./step_cases.py', import.meta.url));
const { python, lack } = pythonOf('trainer/requirements.lock');

it('a step in PyTorch has the bits of a step in TypeScript, for any row and any numbers', skipFor(lack), () => {
  const cases = [...stepCases(2000, 16)];
  const input = Buffer.concat(encodeFrame(cases.map(({ arrays }) => arrays)));
  const { stdout, stderr } = spawnSync(python, [SCRIPT], { input, maxBuffer: 2 ** 30 });
  const [results] = new FrameReader().push(stdout) as { x: Float32Array; x0: Float32Array }[][];
  expect(results, stderr.toString()).toHaveLength(cases.length);
  const problems = cases.map(({ problemOf }, index) =>
    problemOf(results?.[index] as { x: Float32Array; x0: Float32Array }),
  );
  expect(problems.filter(Boolean)[0]).toBeUndefined();
});

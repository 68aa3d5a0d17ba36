import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkFiles, checkLayers, type SourceFile } from './support/architecture.js';

const FOLDERS = ['src', 'test', 'bin', 'benchmarks', 'docs', 'trainer'];

/** What git tracks or would track, so that caches and build output stay out. */
function repositoryFiles(): SourceFile[] {
  const root = new URL('..', import.meta.url);
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard', '--', ...FOLDERS], { cwd: root });
  return listed
    .toString()
    .split('\0')
    .filter((path) => /\.(ts|mjs|py)$/.test(path) && existsSync(new URL(path, root)))
    .map((path) => ({ path, text: readFileSync(new URL(path, root), 'utf8') }));
}

describe('the repository', () => {
  const files = repositoryFiles();

  it('is seen by this test', () => {
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['src/errors.ts', 'bin/t2i.mjs']));
  });

  it('imports along the layers only', () => {
    expect(checkLayers(files)).toEqual([]);
  });

  it('names files alike and keeps them short', () => {
    expect(checkFiles(files)).toEqual([]);
  });
});

describe('the check of the layers', () => {
  const refused: [path: string, text: string, problem: RegExp][] = [
    ['src/errors.ts', "import { z } from 'zod';", /package zod/],
    ['src/options.ts', "import { open } from 'node:fs';", /free of Node/],
    ['src/diffusion/noise.ts', "import { randomBytes } from 'node:crypto';", /free of Node/],
    ['src/diffusion/samplers/ddim.ts', "import sharp from 'sharp';", /package sharp/],
    ['src/text/bpe.ts', "import { readModel } from '../model/layout.js';", /model\/layout\.ts/],
    ['src/model/layout.ts', "import { x } from '../backends/select.js';", /backends\/select\.ts/],
    ['src/model/layout.ts', "const ort = await import('onnxruntime-node');", /package onnxruntime-node/],
    ['src/image/encode.ts', "import { x } from '../pipeline.js';", /pipeline\.ts/],
    ['src/backends/backend.ts', "import { makePlan } from '../diffusion/plan.js';", /only types/],
    ['src/backends/onnxruntime/session.ts', "export * from '../select.js';", /backends\/select\.ts/],
    ['src/pipeline.ts', "import { x } from './backends/onnxruntime/session.js';", /onnxruntime\/session\.ts/],
    ['src/pipeline.ts', "import { main } from './cli/main.js';", /cli\/main\.ts/],
    ['src/cli/main.ts', "import { x } from '../../test/support/x.js';", /outside src/],
    ['src/cli/main.ts', "import { x } from '../backends/onnxruntime/session.js';", /onnxruntime\/session\.ts/],
    ['src/model/layout.ts', "type X = import('../cli/main.js').X;", /cli\/main\.ts/],
    ['src/model/layout.ts', "const x = require('sharp');", /package sharp/],
    ['src/utils/all.ts', '', /belongs to no layer/],
  ];

  it.each(refused)('refuses in %s: %s', (path, text, problem) => {
    expect(checkLayers([{ path, text }])).toEqual([expect.stringMatching(problem)]);
  });

  const allowed: [path: string, text: string][] = [
    ['src/diffusion/plan.ts', "import { T2IError } from '../errors.js'; import { x } from './schedule.js';"],
    ['src/backends/backend.ts', "import type { Plan } from '../diffusion/plan.js';"],
    ['src/backends/onnxruntime/child.ts', "import ort from 'onnxruntime-node'; import { fork } from 'node:process';"],
    ['src/cli/commands/generate.ts', "const { Pipeline } = await import('../../pipeline.js');"],
  ];

  it.each(allowed)('allows in %s: %s', (path, text) => {
    expect(checkLayers([{ path, text }])).toEqual([]);
  });
});

describe('the check of the files', () => {
  it.each([
    ['src/model/readModel.ts', 'x\n', /kebab-case/],
    ['src/model/read_model.ts', 'x\n', /kebab-case/],
    ['trainer/t2i_trainer/read-model.py', 'x\n', /snake_case/],
    ['trainer/readModel.py', 'x\n', /snake_case/],
    ['src/model/long.ts', 'x\n'.repeat(301), /301 lines/],
  ])('refuses %s', (path, text, problem) => {
    expect(checkFiles([{ path, text }])).toEqual([expect.stringMatching(problem)]);
  });

  it.each(['src/model/read-model.ts', 'test/unit/a-b.test.ts', 'trainer/t2i_trainer/__init__.py', 'bin/t2i.mjs'])(
    'accepts %s',
    (path) => {
      expect(checkFiles([{ path, text: 'x\n'.repeat(300) }])).toEqual([]);
    },
  );
});

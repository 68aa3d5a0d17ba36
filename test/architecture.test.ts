import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkFiles, checkLayers, type SourceFile } from './support/architecture.js';
import { checkExpectations } from './support/expectations.js';
import { checkNativeLayers } from './support/native-architecture.js';

const FOLDERS = ['src', 'native', 'test', 'bin', 'benchmarks', 'docs', 'trainer', 'apps'];

/** What git tracks or would track, so that caches and build output stay out. */
function repositoryFiles(): SourceFile[] {
  const root = new URL('..', import.meta.url);
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard', '--', ...FOLDERS], { cwd: root });
  return listed
    .toString()
    .split('\0')
    .filter((path) => /\.(ts|mjs|py|cc|cpp|cxx|h|hpp|cu|cuh)$/.test(path) && existsSync(new URL(path, root)))
    .map((path) => ({ path, text: readFileSync(new URL(path, root), 'utf8') }));
}

describe('the repository', () => {
  const files = repositoryFiles();

  it('is seen by this test', () => {
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['src/errors.ts', 'bin/t2i.mjs', 'native/base/step.h']),
    );
  });

  it('imports along the layers only', () => {
    expect(checkLayers(files)).toEqual([]);
  });

  it('includes along the native layers only', () => {
    expect(checkNativeLayers(files)).toEqual([]);
  });

  it('names files alike and keeps them short', () => {
    expect(checkFiles(files)).toEqual([]);
  });

  it('compares texts with what can fail', () => {
    expect(checkExpectations(files)).toEqual([]);
  });
});

describe('the check of expectations', () => {
  const told = (text: string) => checkExpectations([{ path: 'test/a.test.ts', text }]);

  it.each([
    'await expect(it()).rejects.toMatchObject({ code: 1, message: /x/ });',
    'expect(it()).toEqual([1, { hint: /x/ }]);',
    'expect(it()).toEqual(expect.objectContaining({ error: { message: /x/ } }));',
  ])('refuses %s', (text) => {
    expect(told(`\n${text}`)).toEqual([expect.stringMatching(/^test\/a\.test\.ts:2: \/x\/ is compared/)]);
  });

  it.each(['expect(it()).toMatchObject({ message: expect.stringMatching(/x/) });', 'expect(it()).toMatch(/x/);'])(
    'takes %s',
    (text) => {
      expect(told(text)).toEqual([]);
    },
  );
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
    ['src/backends/tensorrt/session.ts', "import { x } from '../onnxruntime/session.js';", /onnxruntime\/session\.ts/],
    ['src/backends/onnxruntime/session.ts', "import { x } from '../tensorrt/session.js';", /tensorrt\/session\.ts/],
    ['src/backends/process/serve.ts', "import { x } from '../tensorrt/session.js';", /tensorrt\/session\.ts/],
    ['src/backends/select.ts', "import { x } from './engines.js';", /backends\/engines\.ts/],
    ['src/pipeline.ts', "import { main } from './cli/main.js';", /cli\/main\.ts/],
    ['src/ai/provider.ts', "import { APICallError } from '@ai-sdk/provider';", /package @ai-sdk\/provider/],
    ['src/pipeline.ts', "import type { ImageModelV3 } from '@ai-sdk/provider';", /package @ai-sdk\/provider/],
    ['src/cli/main.ts', "import { x } from '../../test/support/x.js';", /outside src/],
    ['src/cli/main.ts', "import { x } from '../backends/onnxruntime/session.js';", /onnxruntime\/session\.ts/],
    ['src/model/layout.ts', "type X = import('../cli/main.js').X;", /cli\/main\.ts/],
    ['src/model/layout.ts', "const x = require('sharp');", /package sharp/],
    ['src/bench/run.ts', "import { x } from '../cli/main.js';", /cli\/main\.ts/],
    ['src/bench/run.ts', "import { x } from '../backends/onnxruntime/session.js';", /onnxruntime\/session\.ts/],
    ['src/pipeline.ts', "import { x } from './bench/run.js';", /bench\/run\.ts/],
    ['src/server/app.ts', "import { x } from '../backends/select.js';", /backends\/select\.ts/],
    ['src/server/app.ts', "import { x } from '../cli/output.js';", /cli\/output\.ts/],
    ['src/pipeline.ts', "import { x } from './server/service.js';", /server\/service\.ts/],
    ['src/utils/all.ts', '', /belongs to no layer/],
  ];

  it.each(refused)('refuses in %s: %s', (path, text, problem) => {
    expect(checkLayers([{ path, text }])).toEqual([expect.stringMatching(problem)]);
  });

  const allowed: [path: string, text: string][] = [
    ['src/diffusion/plan.ts', "import { T2IError } from '../errors.js'; import { x } from './schedule.js';"],
    ['src/backends/backend.ts', "import type { Plan } from '../diffusion/plan.js';"],
    ['src/backends/onnxruntime/child.ts', "import ort from 'onnxruntime-common'; import { fork } from 'node:process';"],
    ['src/ai/provider.ts', "import type { ProviderV3 } from '@ai-sdk/provider';"],
    ['src/cli/generate/command.ts', "const { Pipeline } = await import('../../pipeline.js');"],
  ];

  it.each(allowed)('allows in %s: %s', (path, text) => {
    expect(checkLayers([{ path, text }])).toEqual([]);
  });
});

describe('the check of the native layers', () => {
  const refused: [path: string, text: string, problem: RegExp][] = [
    ['native/base/step.h', '#include <vector>', /only math/],
    ['native/base/step.h', '#include "base/error.h"', /step may not see/],
    ['native/base/error.cc', '#include "engine/engine.h"', /base may not see/],
    ['native/cuda/device.h', '#include "engine/engine.h"', /cuda may not see/],
    ['native/cuda/kernels.cu', '#include "pipeline/pipeline.h"', /cuda may not see/],
    ['native/engine/engine.h', '#include "pipeline/pipeline.h"', /engine may not see/],
    ['native/pipeline/pipeline.cc', '#include <napi.h>', /Node's API/],
    ['native/pipeline/pipeline.cc', '#include "napi.h"', /Node's API/],
    ['native/pipeline/denoiser.cc', '  # include "tensorrt/library.h"', /pipeline may not see/],
    ['native/pipeline/denoiser.cc', '#include <cuda_runtime.h>', /CUDA's API/],
    ['native/pipeline/pipeline.h', '#include "node/worker.h"', /pipeline may not see/],
    ['native/node/worker.cc', '#include "tensorrt/objects.h"', /node may not see/],
    ['native/tensorrt/library.cc', '#include "node/job.h"', /tensorrt may not see/],
    ['native/tensorrt/library.cc', '#include <NvInfer.h>', /NVIDIA's TensorRT headers/],
    ['native/utils/all.h', '', /belongs to no layer/],
  ];

  it.each(refused)('refuses in %s: %s', (path, text, problem) => {
    expect(checkNativeLayers([{ path, text }])).toEqual([expect.stringMatching(problem)]);
  });

  const allowed: [path: string, text: string][] = [
    ['native/base/step.h', '#include <cmath>'],
    ['native/cuda/cuda.cc', '#include <cuda.h>\n#include "base/error.h"'],
    ['native/engine/engine.cc', '#include "tensorrt/objects.h"\n#include "cuda/device.h"'],
    ['native/pipeline/denoiser.h', '#include "engine/engine.h"\n#include <vector>'],
    ['native/node/session.cc', '#include <napi.h>\n#include "tensorrt/library.h"\n#include "pipeline/pipeline.h"'],
  ];

  it.each(allowed)('allows in %s: %s', (path, text) => {
    expect(checkNativeLayers([{ path, text }])).toEqual([]);
  });
});

describe('the check of the files', () => {
  it.each([
    ['src/model/readModel.ts', 'x\n', /kebab-case/],
    ['src/model/read_model.ts', 'x\n', /kebab-case/],
    ['trainer/t2i_trainer/read-model.py', 'x\n', /snake_case/],
    ['trainer/readModel.py', 'x\n', /snake_case/],
    ['native/readModel.cc', 'x\n', /snake_case/],
    ['native/read-model.h', 'x\n', /snake_case/],
    ['test/native/core/read_model.cpp', 'x\n', /snake_case/],
    ['native/long.cc', 'x\n'.repeat(301), /301 lines/],
    ['src/model/long.ts', 'x\n'.repeat(301), /301 lines/],
  ])('refuses %s', (path, text, problem) => {
    expect(checkFiles([{ path, text }])).toEqual([expect.stringMatching(problem)]);
  });

  it.each([
    'src/model/read-model.ts',
    'test/unit/a-b.test.ts',
    'trainer/t2i_trainer/__init__.py',
    'bin/t2i.mjs',
    'native/cuda/sim_kernels.cc',
    'native/cuda/kernels.cu',
  ])('accepts %s', (path) => {
    expect(checkFiles([{ path, text: 'x\n'.repeat(300) }])).toEqual([]);
  });
});

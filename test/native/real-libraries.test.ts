import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildFolder, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { hasGpu, skipFor } from '../support/skip-for.js';
import { build, find, inChild, type Refusal, run, sim } from './libraries/in-child.js';

// What is found of NVIDIA's own libraries and of the stand-ins, and what is said of them.

const TIMEOUT_MS = 60_000;

const none = buildFolder('none');

const REAL = [
  { name: 'trt10', kind: 'full', file: 'libnvinfer.so.10', version: '10.15.1', parser: 'libnvonnxparser.so.10' },
  {
    name: 'rtx',
    kind: 'rtx',
    file: 'libtensorrt_rtx.so.1',
    version: '1.7.1',
    parser: 'libtensorrt_onnxparser_rtx.so.1',
  },
  { name: 'lean', kind: 'lean', file: 'libnvinfer_lean.so.11', version: '11.4.0', parser: null },
] as const;
const real = REAL.flatMap((library) => {
  const path = sim && nvidiaFolder(library.name);
  return path ? [{ ...library, folder: path, path: join(path, library.file) }] : [];
});

const fewLibraries = real.length < REAL.length ? (noNvidia('trt10') ?? noNvidia('rtx') ?? noNvidia('lean')) : null;

describe('NVIDIA’s own libraries', skipFor(noBuild('sim')), () => {
  test.each(real)('$file is named with version, parser and what it can do', (library) => {
    expect(find({ only: library.folder })).toEqual([
      {
        kind: library.kind,
        path: library.path,
        version: library.version,
        parserPath: library.parser && join(library.folder, library.parser),
        canBuild: library.parser !== null,
        problem: null,
        hint: null,
        notes: library.kind === 'lean' ? ['A lean runtime: it runs engines and cannot build them.'] : [],
      },
    ]);
  });

  test('full comes before RTX before lean, and listing loads none of them', skipFor(fewLibraries), () => {
    const { kinds, loaded } = inChild(
      sim as string,
      `const more = ${JSON.stringify(real.map((library) => library.folder).reverse())};
       const kinds = addon.libraries({ more }).filter(({ path }) => more.some((folder) => path.startsWith(folder)));
       const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8');
       return { kinds: kinds.map(({ kind }) => kind), loaded: /nvinfer|tensorrt_rtx/.test(maps) };`,
    ) as { kinds: string[]; loaded: boolean };
    expect(kinds).toEqual(['full', 'rtx', 'lean']);
    expect(loaded).toBe(false);
  });

  // On the simulated device the factory itself is called, which without a driver returns a pointer into nowhere.
  test.each(real.filter(({ kind }) => kind !== 'rtx'))(
    'the pointer that $file returns without a driver is an error with its words, no crash',
    { ...skipFor(hasGpu), timeout: TIMEOUT_MS },
    ({ path }) => {
      const { code, message } = run(sim as string, path);
      expect(code).toBe('BACKEND_FAILED');
      expect(message).toMatch(/^TensorRT made no runtime: .*CUDA initialization failure with error: 35/);
    },
  );

  test('the whole of TensorRT makes no builder without a driver, the lean one none at all, TensorRT-RTX does', {
    ...skipFor(hasGpu, fewLibraries),
    timeout: TIMEOUT_MS,
  }, () => {
    const [full, rtx, lean] = real.map(({ path }) => build(sim as string, path)) as [Refusal, Refusal, Refusal];
    expect(full.code).toBe('BACKEND_FAILED');
    expect(full.message).toMatch(/^TensorRT made no builder: .*CUDA initialization failure with error: 35/);
    expect(lean.code).toBe('BACKEND_UNAVAILABLE');
    expect(lean.message).toMatch(/cannot build engines\. A lean runtime/);
    // It made a builder and a parser, and that one was asked.
    expect(rtx.code).toBe('ENGINE_BUILD_FAILED');
    expect(rtx.message).toContain('Failed to parse the ONNX model');
  });

  test('an addon without CUDA builds by TensorRT-RTX alone', {
    ...skipFor(noBuild('none'), fewLibraries),
    timeout: TIMEOUT_MS,
  }, () => {
    const [full, rtx] = real.map(({ path }) => build(none as string, path)) as [Refusal, Refusal];
    expect(full).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining('built without CUDA'),
    });
    expect(rtx.code).toBe('ENGINE_BUILD_FAILED');
  });

  test.each(real)(
    'an addon without CUDA refuses to run $file, and says why',
    { ...skipFor(noBuild('none')), timeout: TIMEOUT_MS },
    ({ path }) => {
      expect(run(none as string, path)).toEqual({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('built without CUDA'),
        hint: expect.stringMatching(/./),
      });
    },
  );
});

describe('the stand-ins', skipFor(noBuild('sim')), () => {
  test.each([
    ['fake-10', '10.15.1'],
    ['fake-11', '11.4.0'],
  ])('%s is found as the whole of TensorRT %s', (name, version) => {
    const path = join(sim as string, name);
    expect(find({ only: path })).toEqual([
      expect.objectContaining({ kind: 'full', version, canBuild: true, problem: null, notes: [] }),
    ]);
  });
});

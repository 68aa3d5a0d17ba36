import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NativeLibrary, NativeSearch } from '../../src/backends/tensorrt/native.js';
import { buildFolder, nvidiaFolder } from '../support/native.js';
import { BUILDER, makeLibrary, PARSER, RUNTIME } from './libraries/made-up.js';

// What is found, and what is said of it. Everything that touches a library runs in a process of its own, since what is tested is
// that it does not crash.

const TIMEOUT_MS = 60_000;

const sim = buildFolder('sim');
const none = buildFolder('none');
const compiler = spawnSync('g++', ['--version']).status === 0;
const driver = existsSync('/proc/driver/nvidia');

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 't2i-libraries-')));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

interface Child {
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
}

/** Runs `body` in a process that has the addon as `addon` and prints its result. */
function inChild(build: string, body: string, { env = {}, uid }: Child = {}): unknown {
  const addon = JSON.stringify(join(build, 'Release', 't2i.node'));
  const script = `const addon = require(${addon});
    (async () => { ${body} })().then((result) => console.log(JSON.stringify(result)));`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, T2I_TENSORRT_LIB_DIR: '', ...env },
    ...(uid !== undefined && { uid }),
  });
  expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string);
}

function find(search: NativeSearch, child?: Child): NativeLibrary[] {
  return inChild(sim as string, `return addon.libraries(${JSON.stringify(search)});`, child) as NativeLibrary[];
}

/** The only library that is found in `folder`. */
function findOne(): NativeLibrary {
  const libraries = find({ only: folder });
  expect(libraries).toHaveLength(1);
  return libraries[0] as NativeLibrary;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** The error of a call that returns a promise. */
function refusal(build: string, call: string): Refusal {
  const body = `return ${call}.then(() => ({}), ({ code, message, hint }) => ({ code, message, hint }));`;
  return inChild(build, body) as Refusal;
}

/** The error when an engine is run by the library. */
function run(build: string, library: string): Refusal {
  const options = `{ device: 0, library: ${JSON.stringify(library)}, plan: new Uint8Array(64) }`;
  return refusal(build, `addon.runEngine(${options}, {})`);
}

/** The error when the library builds an engine from what is no ONNX file. */
function build(addonBuild: string, library: string): Refusal {
  const options = {
    library,
    device: null,
    onnx: join(addonBuild, 'Release', 't2i.node'),
    profiles: [],
    computeCapabilities: library.includes('rtx') ? [89] : [],
    timingCache: null,
    workspaceBytes: 0,
  };
  return refusal(addonBuild, `addon.buildEngine(${JSON.stringify(options)}, null, null)`);
}

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

describe.skipIf(sim === null)('NVIDIA’s own libraries', () => {
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

  test.skipIf(real.length < 3)('full comes before RTX before lean, and listing loads none of them', () => {
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
  test.skipIf(driver).each(real.filter(({ kind }) => kind !== 'rtx'))(
    'the pointer that $file returns without a driver is an error with its words, no crash',
    ({ path }) => {
      const { code, message } = run(sim as string, path);
      expect(code).toBe('BACKEND_FAILED');
      expect(message).toMatch(/^TensorRT made no runtime: .*CUDA initialization failure with error: 35/);
    },
    TIMEOUT_MS,
  );

  test.skipIf(driver || real.length < 3)(
    'the whole of TensorRT makes no builder without a driver, the lean one none at all, TensorRT-RTX does',
    () => {
      const [full, rtx, lean] = real.map(({ path }) => build(sim as string, path)) as [Refusal, Refusal, Refusal];
      expect(full.code).toBe('BACKEND_FAILED');
      expect(full.message).toMatch(/^TensorRT made no builder: .*CUDA initialization failure with error: 35/);
      expect(lean.code).toBe('BACKEND_UNAVAILABLE');
      expect(lean.message).toMatch(/cannot build engines\. A lean runtime/);
      // It made a builder and a parser, and that one was asked.
      expect(rtx.code).toBe('ENGINE_BUILD_FAILED');
      expect(rtx.message).toContain('Failed to parse the ONNX model');
    },
    TIMEOUT_MS,
  );

  test.skipIf(none === null || real.length < 3)(
    'an addon without CUDA builds by TensorRT-RTX alone',
    () => {
      const [full, rtx] = real.map(({ path }) => build(none as string, path)) as [Refusal, Refusal];
      expect(full).toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('built without CUDA'),
      });
      expect(rtx.code).toBe('ENGINE_BUILD_FAILED');
    },
    TIMEOUT_MS,
  );

  test.skipIf(none === null).each(real)(
    'an addon without CUDA refuses to run $file, and says why',
    ({ path }) => {
      expect(run(none as string, path)).toEqual({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('built without CUDA'),
        hint: expect.stringMatching(/./),
      });
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(sim === null)('the stand-ins', () => {
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

/** Whole TensorRT in `folder`. */
function makeTensorRT(version = 110_400, soname = `libnvinfer.so.${Math.floor(version / 10_000)}`): string {
  const text = [version / 10_000, (version / 100) % 100, version % 100].map(Math.floor).join('.');
  const major = text.split('.')[0];
  writeFileSync(join(folder, `libnvinfer_builder_resource_sm89.so.${text}`), '');
  makeLibrary(folder, { soname: `libnvonnxparser.so.${major}`, functions: [PARSER] });
  return makeLibrary(folder, { soname, version, functions: [RUNTIME, BUILDER] });
}

describe.skipIf(sim === null || !compiler)('a folder with', () => {
  test('everything: it can build', () => {
    const path = makeTensorRT();
    expect(findOne()).toMatchObject({
      kind: 'full',
      path,
      version: '11.4.0',
      canBuild: true,
      problem: null,
      notes: [],
    });
  });

  test('the same library under several names: it is listed once', () => {
    const path = makeTensorRT();
    symlinkSync(path, join(folder, 'libnvinfer.so'));
    symlinkSync(path, join(folder, 'libnvinfer.so.11.4.0'));
    expect(findOne().path).toBe(path);
  });

  test('a version newer than tested: a note', () => {
    makeTensorRT(110_900);
    expect(findOne()).toMatchObject({
      version: '11.9.0',
      canBuild: true,
      problem: null,
      notes: ['Newer than the newest that was tested, 11.4.0.'],
    });
  });

  test.each([
    [80_601, 'libnvinfer.so.8', 'TensorRT 8.6.1 is too old: expected 10 or 11'],
    [120_000, 'libnvinfer.so.12', 'TensorRT 12.0.0 is of an unknown major version: expected 10 or 11'],
    [10_401, 'libtensorrt_rtx.so.1', 'TensorRT-RTX 1.4.1 is too old: expected 1.5.0 or newer'],
    [20_000, 'libtensorrt_rtx.so.2', 'TensorRT-RTX 2.0.0 is of an unknown major version: expected 1'],
  ])('version %i: refused', (version, soname, problem) => {
    makeTensorRT(version, soname);
    expect(findOne()).toMatchObject({
      problem,
      canBuild: false,
      hint: expect.stringContaining('Install TensorRT 10 or 11'),
    });
    expect(run(sim as string, join(folder, soname))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: problem });
  });

  test('a parser of another major version: it runs and cannot build', () => {
    makeTensorRT();
    rmSync(join(folder, 'libnvonnxparser.so.11'));
    const parser = makeLibrary(folder, { soname: 'libnvonnxparser.so.10', functions: [PARSER] });
    const note = `It cannot build engines: the parser must be of its own major version, 11, and ${parser} is of major version 10.`;
    expect(findOne()).toMatchObject({ canBuild: false, parserPath: null, problem: null, notes: [note] });
  });

  test('a parser of another major version behind the right name: the same', () => {
    makeTensorRT();
    const path = join(folder, 'libnvonnxparser.so.11');
    rmSync(path);
    makeLibrary(folder, { soname: 'libnvonnxparser.so.10', functions: [PARSER] }, basename(path));
    expect(findOne()).toMatchObject({
      canBuild: false,
      notes: [expect.stringContaining(`${path} is of major version 10`)],
    });
  });

  test('a damaged parser: it runs and cannot build', () => {
    makeTensorRT();
    const path = join(folder, 'libnvonnxparser.so.11');
    writeFileSync(path, 'no library');
    expect(findOne()).toMatchObject({ canBuild: false, notes: [expect.stringContaining(`${path} cannot be used: `)] });
  });

  test('no parser: it runs and cannot build', () => {
    makeTensorRT();
    rmSync(join(folder, 'libnvonnxparser.so.11'));
    const note = `It cannot build engines: its ONNX parser libnvonnxparser.so.11 is missing in ${folder}.`;
    expect(findOne()).toMatchObject({ canBuild: false, problem: null, notes: [note] });
  });

  test.each(['', 'libnvinfer_builder_resource.so.11.3.0'])(
    'no builder resource of its version (%j): it cannot build',
    (name) => {
      makeTensorRT();
      rmSync(join(folder, 'libnvinfer_builder_resource_sm89.so.11.4.0'));
      if (name !== '') writeFileSync(join(folder, name), '');
      const note = 'It cannot build engines: libnvinfer_builder_resource*.so.11.4.0 is missing beside it.';
      expect(findOne()).toMatchObject({ canBuild: false, problem: null, notes: [note] });
    },
  );

  test('files that are no libraries: each has its reason', () => {
    const whole = makeLibrary(folder, { soname: 'libnvinfer.so.11', version: 110_400 });
    writeFileSync(join(folder, 'libnvinfer.so.10'), 'text');
    writeFileSync(join(folder, 'libnvinfer.so.12'), Buffer.alloc(100_000, 0x5a));
    writeFileSync(join(folder, 'libnvinfer.so.13'), readFileSync(whole).subarray(0, 2_000));
    writeFileSync(join(folder, 'libnvinfer.so.14'), '');
    mkdirSync(join(folder, 'libnvinfer.so.15'));
    execFileSync('mkfifo', [join(folder, 'libnvinfer.so.16')]);
    symlinkSync(join(folder, 'gone'), join(folder, 'libnvinfer.so.17'));
    copyFileSync(process.execPath, join(folder, 'libnvinfer.so.18'));
    rmSync(whole);
    const problems = find({ only: folder }).map(({ path, problem }) => [basename(path), problem?.replace(/^.*: /, '')]);
    expect(problems).toEqual([
      ['libnvinfer.so.10', 'it ends too early'],
      ['libnvinfer.so.12', 'it is no ELF file'],
      ['libnvinfer.so.13', 'it ends too early'],
      ['libnvinfer.so.14', 'it ends too early'],
      ['libnvinfer.so.15', 'it is no file'],
      ['libnvinfer.so.16', 'it is no file'],
      ['libnvinfer.so.17', 'No such file or directory'],
      ['libnvinfer.so.18', 'it is no shared library for x86-64'],
    ]);
  });

  test('a library without the functions: it is no TensorRT', () => {
    const path = makeLibrary(folder, { soname: 'libnvinfer.so.10', version: 101_501 });
    expect(findOne()).toMatchObject({ problem: `${path} is no TensorRT: it exports no ${RUNTIME}`, canBuild: false });
  });

  test('code that runs when it is loaded: listing does not run it, opening does', () => {
    const trace = join(folder, 'trace');
    const path = makeLibrary(folder, {
      soname: 'libnvinfer.so.11',
      version: 110_400,
      functions: [RUNTIME],
      onLoad: `fclose(fopen(${JSON.stringify(trace)}, "w"));`,
    });
    expect(findOne()).toMatchObject({ version: '11.4.0', problem: null });
    expect(existsSync(trace)).toBe(false);
    expect(run(sim as string, path)).toMatchObject({
      code: 'BACKEND_FAILED',
      message: expect.stringContaining('made no runtime'),
    });
    expect(existsSync(trace)).toBe(true);
  });

  test('a version that is no constant: taken from the file behind the links, then asked', () => {
    const path = makeLibrary(
      folder,
      { soname: 'libnvinfer.so.11', version: 90_000, hideVersion: true, functions: [RUNTIME] },
      'libnvinfer.so.11.2.3',
    );
    symlinkSync(path, join(folder, 'libnvinfer.so.11'));
    expect(findOne()).toMatchObject({ version: '11.2.3', problem: null });
    expect(run(sim as string, path)).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: `${path} says that it is version 90000: expected major version 11, as in its file`,
    });
  });

  test('a library whose own needs are missing: the loader’s words', () => {
    const path = makeLibrary(folder, {
      soname: 'libnvinfer.so.11',
      version: 110_400,
      functions: [RUNTIME],
      needs: 'libt2i_gone.so.7',
    });
    const { code, message, hint } = run(sim as string, path);
    expect(code).toBe('BACKEND_UNAVAILABLE');
    expect(message).toMatch(/cannot be loaded: libt2i_gone\.so\.7: cannot open shared object file/);
    expect(hint).toContain('LD_LIBRARY_PATH');
  });
});

describe.skipIf(sim === null)('a search', () => {
  test('in a folder that does not exist', () => {
    const only = join(folder, 'gone');
    expect(find({ only })).toEqual([
      expect.objectContaining({
        path: only,
        problem: `there is no folder ${only}`,
        hint: expect.stringMatching(/T2I_TENSORRT_LIB_DIR/),
      }),
    ]);
  });

  test('in a folder without TensorRT', () => {
    expect(findOne().problem).toBe(
      `there is no TensorRT in ${folder}: expected libnvinfer.so.11, libnvinfer.so.10, libnvinfer_lean.so.* or libtensorrt_rtx.so.1`,
    );
  });

  test.skipIf(process.getuid?.() === 0 && spawnSync('true', { uid: 65_534 }).status !== 0)(
    'in a folder that cannot be read',
    () => {
      chmodSync(folder, 0);
      const child = process.getuid?.() === 0 ? { uid: 65_534 } : {};
      expect(find({ only: folder }, child)[0]?.problem).toBe(`${folder} cannot be read: Permission denied`);
    },
  );

  test.skipIf(!compiler)('for a file alone', () => {
    const path = makeTensorRT();
    makeLibrary(folder, { soname: 'libnvinfer_lean.so.11', version: 110_400, functions: [RUNTIME] });
    expect(find({ only: path }).map((library) => library.path)).toEqual([path]);
  });

  test.skipIf(!compiler)('by the loader’s path, and by T2I_TENSORRT_LIB_DIR alone', () => {
    const path = makeTensorRT();
    const paths = (libraries: NativeLibrary[]) => libraries.map((library) => library.path);
    expect(paths(find({}, { env: { LD_LIBRARY_PATH: `/gone:${folder}` } }))).toContain(path);
    const other = join(folder, 'other');
    mkdirSync(other);
    const lean = makeLibrary(other, { soname: 'libnvinfer_lean.so.11', version: 110_400, functions: [RUNTIME] });
    expect(paths(find({ more: [folder] }, { env: { T2I_TENSORRT_LIB_DIR: other } }))).toEqual([lean]);
    expect(paths(find({ only: folder }, { env: { T2I_TENSORRT_LIB_DIR: other } }))).toEqual([path]);
  });

  test.skipIf(!compiler)('lists what can be used first, then the newest', () => {
    const folders = ['a', 'b', 'c', 'd'].map((name) => join(folder, name));
    for (const path of folders) mkdirSync(path);
    const [a, b, c, d] = folders as [string, string, string, string];
    makeLibrary(a, { soname: 'libnvinfer_lean.so.11', version: 110_400, functions: [RUNTIME] });
    makeLibrary(b, { soname: 'libnvinfer.so.10', version: 101_501, functions: [RUNTIME, BUILDER] });
    makeLibrary(c, { soname: 'libnvinfer.so.11', version: 110_200, functions: [RUNTIME, BUILDER] });
    writeFileSync(join(d, 'libnvinfer.so.11'), 'text');
    const found = find({ more: [d, a, b, c] }).filter(({ path }) => path.startsWith(folder));
    expect(found.map(({ version, problem }) => (problem === null ? version : 'unusable'))).toEqual([
      '11.2.0',
      '10.15.1',
      '11.4.0',
      'unusable',
    ]);
  });
});

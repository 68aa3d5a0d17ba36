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
import type { NativeLibrary } from '../../src/backends/tensorrt/native.js';
import { noBuild } from '../support/native.js';
import { noCommand, skipFor } from '../support/skip-for.js';
import { find, NOBODY, run, sim } from './libraries/in-child.js';
import { BUILDER, makeLibrary, PARSER, RUNTIME } from './libraries/made-up.js';

// What is found in folders made up here, and what is said of it.

const noCompiler = noCommand('g++');
const noOtherUser =
  process.getuid?.() === 0 && spawnSync('true', { uid: NOBODY }).status !== 0
    ? 'taking another user id takes root, and a folder that all may read'
    : null;

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 't2i-libraries-')));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

/** The only library that is found in `folder`. */
function findOne(): NativeLibrary {
  const libraries = find({ only: folder });
  expect(libraries).toHaveLength(1);
  return libraries[0] as NativeLibrary;
}

/** Whole TensorRT in `folder`. */
function makeTensorRT(version = 110_400, soname = `libnvinfer.so.${Math.floor(version / 10_000)}`): string {
  const text = [version / 10_000, (version / 100) % 100, version % 100].map(Math.floor).join('.');
  const major = text.split('.')[0];
  writeFileSync(join(folder, `libnvinfer_builder_resource_sm89.so.${text}`), '');
  const parser = soname.includes('rtx') ? 'libtensorrt_onnxparser_rtx' : 'libnvonnxparser';
  makeLibrary(folder, { soname: `${parser}.so.${major}`, functions: [PARSER] });
  return makeLibrary(folder, { soname, version, functions: [RUNTIME, BUILDER] });
}

describe('a folder with', skipFor(noBuild('sim'), noCompiler), () => {
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

  test('a TensorRT-RTX of a newer minor version than tested: refused, unless T2I_TENSORRT_UNTESTED says otherwise', () => {
    const only = folder;
    makeTensorRT(10_709, 'libtensorrt_rtx.so.1');
    expect(findOne()).toMatchObject({ version: '1.7.9', problem: null, notes: [] });
    rmSync(join(folder, 'libtensorrt_rtx.so.1'));
    makeTensorRT(10_800, 'libtensorrt_rtx.so.1');
    expect(findOne()).toMatchObject({
      problem: 'TensorRT-RTX 1.8.0 is newer than the newest that was tested, 1.7.1, and may be laid out otherwise',
      canBuild: false,
      hint: expect.stringContaining('T2I_TENSORRT_UNTESTED=1'),
    });
    expect(find({ only }, { env: { T2I_TENSORRT_UNTESTED: '1' } })).toMatchObject([
      { version: '1.8.0', problem: null, notes: ['Newer than the newest that was tested, 1.7.1.'] },
    ]);
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

describe('a search', skipFor(noBuild('sim')), () => {
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

  test('in a folder that cannot be read', skipFor(noOtherUser), () => {
    chmodSync(folder, 0);
    // Root may read everything.
    const asNobody = process.getuid?.() === 0;
    expect(find({ only: folder }, { asNobody })[0]?.problem).toBe(`${folder} cannot be read: Permission denied`);
  });

  test('for a file alone', skipFor(noCompiler), () => {
    const path = makeTensorRT();
    makeLibrary(folder, { soname: 'libnvinfer_lean.so.11', version: 110_400, functions: [RUNTIME] });
    expect(find({ only: path }).map((library) => library.path)).toEqual([path]);
  });

  test('by the loader’s path, and by T2I_TENSORRT_LIB_DIR alone', skipFor(noCompiler), () => {
    const path = makeTensorRT();
    const paths = (libraries: NativeLibrary[]) => libraries.map((library) => library.path);
    expect(paths(find({}, { env: { LD_LIBRARY_PATH: `/gone:${folder}` } }))).toContain(path);
    const other = join(folder, 'other');
    mkdirSync(other);
    const lean = makeLibrary(other, { soname: 'libnvinfer_lean.so.11', version: 110_400, functions: [RUNTIME] });
    expect(paths(find({ more: [folder] }, { env: { T2I_TENSORRT_LIB_DIR: other } }))).toEqual([lean]);
    expect(paths(find({ only: folder }, { env: { T2I_TENSORRT_LIB_DIR: other } }))).toEqual([path]);
  });

  test('lists what can be used first, then the newest', skipFor(noCompiler), () => {
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

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  chooseLibrary,
  describeLibrary,
  pythonFolders,
  searchOf,
} from '../../../../src/backends/tensorrt/libraries.js';
import type { NativeLibrary } from '../../../../src/backends/tensorrt/native.js';

const library = (fields: Partial<NativeLibrary>): NativeLibrary => ({
  kind: 'full',
  path: '/usr/lib/libnvinfer.so.10',
  version: '10.15.1',
  parserPath: '/usr/lib/libnvonnxparser.so.10',
  canBuild: true,
  problem: null,
  hint: null,
  notes: [],
  ...fields,
});

describe('chooseLibrary', () => {
  const broken = library({
    version: '11.9.0',
    problem: 'the parser is of major version 10',
    hint: 'Install one of 11.',
  });
  const full = library({});
  const rtx = library({ kind: 'rtx', version: '1.7.1' });
  const lean = library({ kind: 'lean', version: '11.4.0', canBuild: false });

  it('takes the first that will do and says of each other why not', () => {
    expect(chooseLibrary([broken, full, rtx], { mustBuild: true, device: null })).toEqual({
      chosen: full,
      others: [
        { library: broken, reason: 'the parser is of major version 10', hint: 'Install one of 11.' },
        { library: rtx, reason: 'tensorrt 10.15.1 comes before it', hint: null },
      ],
    });
  });

  it('takes only what was named, and only what builds where engines must be built', () => {
    expect(chooseLibrary([full, rtx], { runtime: 'tensorrt-rtx', mustBuild: false, device: null }).chosen).toBe(rtx);
    expect(chooseLibrary([lean], { mustBuild: false, device: null }).chosen).toBe(lean);
    const { chosen, others } = chooseLibrary([lean, rtx], { runtime: 'tensorrt', mustBuild: true, device: null });
    expect(chosen).toBeNull();
    expect(others.map(({ reason }) => reason)).toEqual([
      'it can run engines, but not build them',
      'it is tensorrt-rtx, not tensorrt',
    ]);
  });

  it('takes no TensorRT-RTX for a GPU that it has no code for, and names both', () => {
    const gpu = (name: string, computeCapability: string) => ({
      index: 0,
      name,
      computeCapability,
      memoryBytes: 2 ** 36,
    });
    const wish = (device: ReturnType<typeof gpu>) => chooseLibrary([rtx], { mustBuild: true, device });
    for (const known of ['7.5', '8.0', '8.6', '8.9', '12.0', '12.1']) expect(wish(gpu('card', known)).chosen).toBe(rtx);
    const { chosen, others } = wish(gpu('NVIDIA H100', '9.0'));
    expect(chosen).toBeNull();
    expect(others[0]?.reason).toBe('it has no code for NVIDIA H100, whose compute capability is 9.0');
    expect(chooseLibrary([rtx, full], { mustBuild: true, device: gpu('NVIDIA H100', '9.0') }).chosen).toBe(full);
  });

  it('finds none among none', () => {
    expect(chooseLibrary([], { mustBuild: false, device: null })).toEqual({ chosen: null, others: [] });
  });
});

it('describes a library by runtime and version', () => {
  expect(describeLibrary(library({ kind: 'lean' }))).toBe('tensorrt 10.15.1');
  expect(describeLibrary(library({ kind: 'rtx', version: '1.7.1' }))).toBe('tensorrt-rtx 1.7.1');
});

describe('the folders to search', () => {
  let dir: string;
  const folder = (path: string) => {
    mkdirSync(join(dir, path), { recursive: true });
    return join(dir, path);
  };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 't2i-pip-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('are the one that is given alone: the option before the variable', () => {
    expect(searchOf('/mine', { T2I_TENSORRT_LIB_DIR: '/theirs' })).toEqual({ only: '/mine' });
    expect(searchOf(undefined, { T2I_TENSORRT_LIB_DIR: '/theirs' })).toEqual({ only: '/theirs' });
    expect(searchOf(undefined, { T2I_TENSORRT_LIB_DIR: '' })).toEqual({ more: [] });
  });

  it('are those of the virtual environment, of conda and of every python3 in PATH, without doubles', () => {
    const venv = folder('venv/lib/python3.11/site-packages/tensorrt_libs');
    const rtx = folder('venv/lib/python3.11/site-packages/tensorrt_rtx_libs');
    const cuda = folder('venv/lib/python3.11/site-packages/nvidia/cu13/lib');
    folder('venv/lib/python3.11/site-packages/tensorrt');
    for (const name of ['python2.7', 'python3.11-old', 'my-python3', 'python3.x'])
      folder(`venv/lib/${name}/site-packages/tensorrt_libs`);
    const debian = folder('usr/lib/python3/dist-packages/tensorrt_lean_libs');
    const conda = folder('conda/lib/python3.12/site-packages/tensorrt_libs');
    folder('empty/bin');
    folder('empty/lib/python3.11/site-packages/tensorrt_libs');
    for (const prefix of ['venv', 'usr']) writeFileSync(join(folder(`${prefix}/bin`), 'python3'), '');
    const env = {
      VIRTUAL_ENV: join(dir, 'venv'),
      CONDA_PREFIX: join(dir, 'conda'),
      PATH: ['gone', 'empty/bin', 'venv/bin', 'usr/bin'].map((name) => join(dir, name)).join(':'),
    };
    const found = pythonFolders(env);
    expect(found.toSorted()).toEqual([venv, rtx, cuda, debian, conda, join(dir, 'conda/lib')].toSorted());
    expect(found[0]).toBe(venv);
    expect(searchOf(undefined, env)).toEqual({ more: found });
  });

  it('are none where an environment is not what it seems', () => {
    const prefix = folder('odd');
    writeFileSync(join(prefix, 'lib'), '');
    expect(pythonFolders({ VIRTUAL_ENV: prefix, CONDA_PREFIX: undefined, PATH: '' })).toEqual([]);
  });
});

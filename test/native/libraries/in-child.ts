import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { NativeLibrary, NativeSearch } from '../../../src/backends/tensorrt/native.js';
import { buildFolder } from '../../support/native.js';

// Everything that touches a library runs in a process of its own, since what is tested is that it does not crash.

export const sim = buildFolder('sim');
/** Its user id on Linux. */
export const NOBODY = 65_534;

export interface Child {
  readonly env?: Readonly<Record<string, string>>;
  /** Becomes nobody once the addon is loaded, which may lie where nobody can read. */
  readonly asNobody?: boolean;
}

/** Runs `body` in a process that has the addon as `addon` and prints its result. */
export function inChild(build: string, body: string, { env = {}, asNobody = false }: Child = {}): unknown {
  const addon = JSON.stringify(join(build, 'Release', 't2i.node'));
  const script = `const addon = require(${addon});
    ${asNobody ? `process.setuid(${NOBODY});` : ''}
    (async () => { ${body} })().then((result) => console.log(JSON.stringify(result)));`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, T2I_TENSORRT_LIB_DIR: '', ...env },
  });
  expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string);
}

export function find(search: NativeSearch, child?: Child): NativeLibrary[] {
  return inChild(sim as string, `return addon.libraries(${JSON.stringify(search)});`, child) as NativeLibrary[];
}

export interface Refusal {
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
export function run(build: string, library: string): Refusal {
  const options = `{ device: 0, library: ${JSON.stringify(library)}, serialized: new Uint8Array(64) }`;
  return refusal(build, `addon.runEngine(${options}, {})`);
}

/** The error when the library builds an engine from what is no ONNX file. */
export function build(addonBuild: string, library: string): Refusal {
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

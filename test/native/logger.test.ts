import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFolder, noBuild, noNvidia, nvidiaFolder } from '../support/native.js';
import { noCommand, skipFor } from '../support/skip-for.js';

// TensorRT keeps the first logger that it is given for as long as the process lives.

const PROGRAM = fileURLToPath(new URL('logger/global.cc', import.meta.url));
const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));

const none = buildFolder('none');
const rtx = nvidiaFolder('rtx');

describe('the logger', skipFor(noBuild('none')), () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 't2i-logger-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test(
    'that TensorRT-RTX kept from its first builder is heard after that one is gone',
    skipFor(noNvidia('rtx'), noCommand('g++')),
    () => {
      const program = join(folder, 'global');
      const core = join(none as string, 'libt2i_core.a');
      execFileSync('g++', ['-std=c++17', `-I${NATIVE}`, PROGRAM, core, '-ldl', '-pthread', '-o', program]);
      const library = join(rtx as string, 'libtensorrt_rtx.so.1');
      expect(execFileSync(program, [library], { encoding: 'utf8' }).trim()).toBe('hello');
    },
  );

  test('stays in memory when the worker thread that loaded the addon is gone', async () => {
    const addon = join(folder, 't2i.node');
    // A copy, which nothing else in this process has loaded.
    execFileSync('cp', [join(none as string, 'Release', 't2i.node'), addon]);
    const worker = new Worker(`require(${JSON.stringify(addon)})`, { eval: true });
    await new Promise((resolve) => worker.once('exit', resolve));
    expect(readFileSync('/proc/self/maps', 'utf8')).toContain(addon);
  });
});

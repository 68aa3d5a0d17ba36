import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/backends/backend.js';
import { describeModel } from '../../src/model/layout.js';
import { fixture } from './tiny-jobs.js';

describe('the onnxruntime backend where it cannot run', () => {
  let dir: string;
  let backend: Backend;

  /** The built package in a folder from which no dependency can be found. */
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 't2i-bare-'));
    await cp(fileURLToPath(new URL('../../dist', import.meta.url)), join(dir, 'dist'), { recursive: true });
    await writeFile(join(dir, 'package.json'), JSON.stringify({ type: 'module' }));
    const entry = pathToFileURL(join(dir, 'dist', 'backends', 'onnxruntime', 'onnxruntime.js')).href;
    backend = ((await import(/* @vite-ignore */ entry)) as { onnxruntime: Backend }).onnxruntime;
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('says that the runtime is missing and which command helps', async () => {
    const reason = expect.stringMatching(/onnxruntime-node cannot be loaded: .*onnxruntime-node/);
    const hint = expect.stringContaining('install @t2i/sdk again; in a clone, run `npm run build`');
    expect(await backend.probe()).toEqual({ available: false, reason, hint });
    const model = await describeModel(fixture('tiny'));
    await expect(backend.open(model)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: reason, hint });
  });

  it('says so where its process does not start', async () => {
    await rm(join(dir, 'dist', 'backends', 'onnxruntime', 'child.js'));
    const reason = expect.stringMatching(/did not start: .*child\.js/s);
    expect(await backend.probe()).toMatchObject({ available: false, reason });
  });
});

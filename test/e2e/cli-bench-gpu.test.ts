import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { fakeIo } from '../support/fake-io.js';
import { buildFolder, noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';

// Engines of the stand-in are compared with the toy networks that it computes.
vi.mock('../../src/backends/onnxruntime/reference.js', async () => ({
  onnxruntimeReference: (await import('../support/toy-networks.js')).toyReference,
}));

const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));
const PEER = fileURLToPath(new URL('../support/diffusers-peer.mjs', import.meta.url));
const SIM = buildFolder('sim');

/** What `npm run bench:gpu` gives to t2i: the verb and its flags. */
function scriptArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (scripts['bench:gpu'] as string).split('bin/t2i.mjs ')[1]?.split(' ') ?? [];
}

describe('npm run bench:gpu on the simulated device', skipFor(noBuild('sim')), () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 't2i-bench-gpu-'));
    vi.stubEnv('T2I_ENGINE_CACHE', join(folder, 'engines'));
    vi.stubEnv('T2I_ADDON', join(SIM as string, 'Release/t2i.node'));
    vi.stubEnv('T2I_TENSORRT_LIB_DIR', join(SIM as string, 'fake-11'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it('measures TensorRT beside diffusers on the GPU, eager and compiled', async () => {
    const io = fakeIo();
    const quick = ['--model', TINY, '--python', PEER, '--rounds', '1', '--steps', '2', '--concurrency', '1', '--json'];
    const code = await main([...scriptArguments(), ...quick], io);
    expect(code, io.err()).toBe(0);
    const { subjects, skipped } = JSON.parse(io.out());
    const summary = { median: expect.any(Number) };
    expect(subjects).toMatchObject([
      { name: 'tensorrt', imageMs: summary, unetStepMs: summary, firstImageMs: summary, memory: { process: summary } },
      { name: 'diffusers (eager, cuda)', imageMs: { median: 12 }, ratio: { unetStep: expect.any(Number) } },
      { name: 'diffusers (compile, cuda)', unetStepMs: { median: 4 }, difference: { maxAbs: expect.any(Number) } },
    ]);
    expect(subjects[0].unetStepMs.median).toBeGreaterThan(0);
    expect(subjects[0].warnings).toEqual([]);
    expect(skipped).toEqual([]);
  });
});

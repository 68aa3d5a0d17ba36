import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProcessSession } from '../../src/backends/process/process-session.js';
import { pytorch } from '../../src/backends/pytorch/pytorch.js';
import { openSession } from '../../src/backends/pytorch/session.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { pythonOf } from '../support/python.js';
import { skipFor } from '../support/skip-for.js';
import { gone, isAlive, startCaller } from './start-caller.js';
import { fixture, tinyJob } from './tiny-jobs.js';

const LONG = 500;
const { lack } = pythonOf('trainer/requirements.lock');

describe('the process of the pytorch backend', skipFor(lack), () => {
  // Python takes seconds to import PyTorch, and much longer where others work on the machine.
  vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
  const PATIENCE = 250_000;
  const UNET = 'unet/diffusion_pytorch_model.safetensors';
  let dir: string;
  let model: ModelDescription;
  let session: ProcessSession;

  beforeAll(async () => {
    // Of processes that start, crash and end there is no stand-in (test/support/warm-python).
    vi.stubEnv('T2I_COLD_PYTHON', '1');
    dir = await mkdtemp(join(tmpdir(), 't2i-torch-'));
    await cp(fixture('diffusers/tiny'), dir, { recursive: true });
    model = await describeModel(dir, undefined, undefined, 'safetensors');
    session = await openSession(model, { threads: 1 });
  });
  afterAll(async () => {
    await session.close();
    await rm(dir, { recursive: true });
    vi.unstubAllEnvs();
  });

  it('fails one job alone by a crash; the next starts a fresh process and draws the same image', async () => {
    const before = session.pid as number;
    const { images } = await session.generate(tinyJob(model));
    const next: Promise<unknown>[] = [];
    const onStep = () => {
      if (next.length > 0) return;
      next.push(session.generate(tinyJob(model)));
      process.kill(before, 'SIGSEGV');
    };
    await expect(session.generate(tinyJob(model, { steps: LONG }), { onStep })).rejects.toMatchObject({
      code: 'BACKEND_CRASHED',
      message: expect.stringContaining('The process that runs PyTorch ended (SIGSEGV)'),
    });
    expect(await next[0]).toMatchObject({ images });
    expect(session.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
  });

  it('is not started again on files that changed', async () => {
    const bytes = await readFile(join(dir, UNET));
    await writeFile(join(dir, UNET), bytes.with(-1, (bytes.at(-1) as number) ^ 1));
    process.kill(session.pid as number, 'SIGKILL');
    await gone(session.pid);
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(`${UNET} has another SHA-256`),
    });
    await writeFile(join(dir, UNET), bytes);
    expect((await session.generate(tinyJob(model))).images).toHaveLength(1);
  });

  it('names PyTorch, its version and its device in receipts', () => {
    expect(session.runtime).toMatch(/^torch \d+\.\d+\S* \((cpu|cuda), diffusers \d+\.\d+/);
  });

  it('refuses a model that PyTorch cannot load, with what is wrong', async () => {
    await writeFile(join(dir, UNET), (await readFile(join(dir, UNET))).subarray(0, 5000));
    const damaged = await describeModel(dir, undefined, undefined, 'safetensors');
    await expect(openSession(damaged, { threads: 1 })).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(UNET),
    });
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('goes when its caller is ended by %s in a job', async (signal) => {
    const described = await describeModel(fixture('diffusers/tiny'), undefined, undefined, 'safetensors');
    const caller = startCaller('pytorch', 'busy', described, tinyJob(described, { steps: LONG }), PATIENCE);
    await caller.line('step');
    caller.kill(signal);
    await caller.exit;
    await caller.childGone();
  });

  it('lets its caller exit by itself, without close', async () => {
    const described = await describeModel(fixture('diffusers/tiny'), undefined, undefined, 'safetensors');
    const caller = startCaller('pytorch', 'generate', described, tinyJob(described), PATIENCE);
    expect(await caller.exit).toEqual({ code: 0, signal: null });
    await caller.childGone();
  });
});

describe('the pytorch backend where it cannot run', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 't2i-no-torch-'));
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => rm(dir, { recursive: true }));

  const interpreter = async (name: string, line: string) => {
    const path = join(dir, name);
    await writeFile(path, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return path;
  };
  const refused = async (python: string | undefined, reason: RegExp) => {
    const probe = await pytorch.probe({ python });
    expect(probe).toMatchObject({ available: false, reason: expect.stringMatching(reason) });
    const hint = expect.stringMatching(/python3 \S*trainer\/env\.py.*--python PATH/);
    expect(probe).toMatchObject({ hint });
    const model = await describeModel(fixture('diffusers/tiny'), undefined, undefined, 'safetensors');
    await expect(pytorch.open(model, { python })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', hint });
  };

  it('says which command installs what the trainer needs', async () => {
    vi.stubEnv('T2I_CACHE', dir);
    await refused(undefined, /is not installed/);
  });

  it('names the packages that an interpreter lacks', async () => {
    const versions = JSON.stringify({ torch: '2.9', diffusers: null, onnx: null });
    const python = await interpreter('bare', `echo '${versions}'`);
    await refused(python, /bare lacks diffusers, onnx$/);
  });

  it('names an interpreter that is not there, and one that is none', async () => {
    await refused(join(dir, 'nothing'), /nothing is no Python that runs: .*ENOENT/);
    await refused(await interpreter('other', 'echo hello'), /other is no Python that runs/);
  });

  it('says what a child that does not start wrote last', async () => {
    const versions = JSON.stringify({ torch: '2.9' });
    const python = await interpreter(
      'broken',
      `case $2 in --versions) echo '${versions}';; *) echo no such library >&2; exit 3;; esac`,
    );
    const model = await describeModel(fixture('diffusers/tiny'), undefined, undefined, 'safetensors');
    await expect(pytorch.open(model, { python })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/did not start: .*exit code 3.*no such library/),
    });
  });

  it('ends the child of an interpreter that speaks otherwise', async () => {
    const python = await interpreter(
      'chatty',
      `case $2 in --versions) echo '{"torch":"2.9"}';; *) exec yes hello;; esac`,
    );
    const model = await describeModel(fixture('diffusers/tiny'), undefined, undefined, 'safetensors');
    await expect(pytorch.open(model, { python })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('ends with the reason of an abort', async () => {
    const signal = AbortSignal.abort('enough');
    await expect(pytorch.probe({ signal })).rejects.toBe('enough');
    const waiting = new AbortController();
    const python = await interpreter('slow', 'exec sleep 1000');
    const probe = pytorch.probe({ python, signal: waiting.signal });
    waiting.abort('enough');
    await expect(probe).rejects.toBe('enough');
  });
});

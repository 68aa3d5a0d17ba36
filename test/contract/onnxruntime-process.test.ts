import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LoadRequest, ONNXRUNTIME } from '../../src/backends/onnxruntime/child-calls.js';
import { onnxruntime } from '../../src/backends/onnxruntime/onnxruntime.js';
import { openSession } from '../../src/backends/onnxruntime/session.js';
import { ProcessSession } from '../../src/backends/process/process-session.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { type Point, peakBytes, residentBytes, slope } from '../support/leaks.js';
import { noLinux, skipFor } from '../support/skip-for.js';
import { functionChain } from './function-chain.js';
import { isAlive, startCaller } from './start-caller.js';
import { fixture, tinyJob, tinyPrompt } from './tiny-jobs.js';

const LONG = 500;

describe('the process of the onnxruntime backend', () => {
  let model: ModelDescription;
  let session: ProcessSession;

  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
    session = await openSession(model, 1);
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => session.close());

  describe('a crash', () => {
    it('in the middle fails that job alone; the next starts a fresh process', async () => {
      const before = session.pid as number;
      const next: Promise<unknown>[] = [];
      const onStep = () => {
        if (next.length > 0) return;
        next.push(session.generate(tinyJob(model)));
        process.kill(before, 'SIGKILL');
      };
      const job = session.generate(tinyJob(model, { steps: LONG }), { onStep });
      await expect(job).rejects.toMatchObject({ code: 'BACKEND_CRASHED', message: expect.stringMatching(/SIGKILL/) });
      expect(await next[0]).toMatchObject({ images: [{ width: 32 }] });
      expect(session.pid).not.toBe(before);
      expect(isAlive(before)).toBe(false);
    });

    it('between jobs is not noticed by the next one', async () => {
      const before = session.pid as number;
      process.kill(before, 'SIGSEGV');
      while (isAlive(before)) await setTimeout(10);
      expect((await session.generate(tinyJob(model))).images).toHaveLength(1);
      expect(session.pid).not.toBe(before);
    });

    it('in an aborted job does not change its reason', async () => {
      const controller = new AbortController();
      const onStep = () => {
        controller.abort('enough');
        process.kill(session.pid as number, 'SIGKILL');
      };
      const job = session.generate(tinyJob(model, { steps: LONG }), { signal: controller.signal, onStep });
      await expect(job).rejects.toBe('enough');
      expect((await session.generate(tinyJob(model))).images).toHaveLength(1);
    });
  });

  it('after many crashes starts again for a request with a deadline, once the wait is over', async () => {
    const tired = await openSession(model, 1);
    const kill = () => void process.kill(tired.pid as number, 'SIGKILL');
    for (let crash = 0; crash < 5; crash++) {
      const job = tired.generate(tinyJob(model, { steps: LONG }), { onStep: kill });
      await expect(job).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    }
    const hasty = () => tired.generate(tinyJob(model), { signal: AbortSignal.timeout(150) });
    // Requests that are given up are no crashes: they do not make the wait longer.
    for (let i = 0; i < 10; i++) await expect(hasty()).rejects.toMatchObject({ name: 'TimeoutError' });
    // Two seconds after five crashes in a row; after fifteen it would be the longest wait, five.
    await setTimeout(500);
    const patient = await tired.generate(tinyJob(model), { signal: AbortSignal.timeout(30_000) });
    expect(patient.images).toHaveLength(1);
    await tired.close();
  });

  it('gives back what a large image took', skipFor(noLinux), async () => {
    const opened = await openSession(model, 1);
    const pid = opened.pid as number;
    const draw = (latentSize: number) => opened.generate(tinyJob(model, { steps: 1, latentSize }));
    await draw(4);
    const [before, peakBefore] = [await residentBytes(pid), await peakBytes(pid)];
    await draw(128);
    const grown = (await peakBytes(pid)) - peakBefore;
    await draw(4);
    expect(grown).toBeGreaterThan(200 * 2 ** 20);
    expect((await residentBytes(pid)) - before).toBeLessThan(grown / 2);
    await opened.close();
  });

  it('ends the load, and the process, as soon as its signal aborts', async () => {
    const controller = new AbortController();
    const loading = openSession(model, 1, controller.signal);
    controller.abort('no more');
    await expect(loading).rejects.toBe('no more');
    await expect(openSession(model, 1, controller.signal)).rejects.toBe('no more');
    await expect(onnxruntime.probe({ signal: controller.signal })).rejects.toBe('no more');
  });

  it('is free again within seconds after an abort in a forward that takes much longer', async () => {
    const before = session.pid as number;
    const controller = new AbortController();
    // A stopped process is one that is in a native call without end.
    process.kill(before, 'SIGSTOP');
    const job = session.generate(tinyJob(model), { signal: controller.signal });
    await setTimeout(50);
    controller.abort('too slow');
    await expect(job).rejects.toBe('too slow');
    expect((await session.generate(tinyJob(model))).images).toHaveLength(1);
    expect(session.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
  });

  it('encodes a prompt once: the next job with it spends no time in the text encoder', async () => {
    const job = tinyJob(model, { promptIds: tinyPrompt(77) });
    expect((await session.generate(job)).timings.textEncoder).toBeGreaterThan(0);
    expect((await session.generate(job)).timings.textEncoder).toBe(0);
    for (let id = 100; id < 120; id++) await session.generate(tinyJob(model, { promptIds: tinyPrompt(id), steps: 1 }));
    expect((await session.generate(job)).timings.textEncoder).toBeGreaterThan(0);
  });

  it('names the threads it may use to the runtime', skipFor(noLinux), async () => {
    const threads = async (count: number) => {
      const opened = await openSession(model, count);
      const status = await readFile(`/proc/${opened.pid}/status`, 'utf8');
      await opened.close();
      return Number(/Threads:\s+(\d+)/.exec(status)?.[1]);
    };
    // Each of the three networks has a pool of its own; the calling thread is one of each.
    expect((await threads(3)) - (await threads(1))).toBe(3 * 2);
  });

  it('ends with close, also while a new one starts after a crash', async () => {
    const closing = await openSession(model, 1);
    const first = closing.pid as number;
    process.kill(first, 'SIGKILL');
    while (isAlive(first)) await setTimeout(10);
    const job = closing.generate(tinyJob(model));
    while (closing.pid === first) await setTimeout(1);
    const second = closing.pid as number;
    await Promise.all([expect(job).rejects.toMatchObject({ code: 'CLOSED' }), closing.close()]);
    expect(second).not.toBe(first);
    expect(isAlive(second)).toBe(false);
  });

  it('starts no process for a session that is closed while the files are checked for a restart', async () => {
    let pass = () => {};
    const check = () => new Promise<void>((resolve) => (pass = resolve));
    const load: LoadRequest = { model, threads: 1 };
    const closing = await ProcessSession.open({ kind: ONNXRUNTIME, runtime: () => '', load, check });
    const first = closing.pid as number;
    process.kill(first, 'SIGKILL');
    while (isAlive(first)) await setTimeout(10);
    const job = expect(closing.generate(tinyJob(model))).rejects.toMatchObject({ code: 'CLOSED' });
    await setTimeout(50);
    await Promise.all([job, closing.close()]);
    pass();
    await setTimeout(50);
    expect(closing.pid).toBe(first);
  });

  describe('a model that the runtime refuses', () => {
    let dir: string;
    let copied: ModelDescription;
    const unet = () => copied.unet.path;

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 't2i-refused-'));
    });
    afterEach(() => rm(dir, { recursive: true }));
    const copy = async () => {
      await cp(fixture('tiny'), dir, { recursive: true });
      copied = { ...model, unet: { ...model.unet, path: join(dir, 'unet', 'model.onnx') } };
    };

    it('is MODEL_INVALID by the name of the file: truncated', async () => {
      await copy();
      await truncate(unet(), 5000);
      await expect(onnxruntime.open(copied)).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining(unet()),
      });
    });

    it('is MODEL_INVALID by the name of the file: weights missing', async () => {
      await copy();
      await rm(join(dir, 'unet', 'model.weights'));
      await expect(onnxruntime.open(copied)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    });

    it('is MODEL_INVALID, and no end of the caller, where it crashes the runtime', async () => {
      await copy();
      await writeFile(unet(), functionChain(3000));
      await expect(onnxruntime.open(copied)).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringMatching(/crashed \(SIG\w+\)/),
      });
    });

    it('fails the job where a file changes before a restart, and runs again when it is back', async () => {
      await copy();
      const own = await describeModel(dir);
      const opened = await openSession(own, 1);
      const weights = join(dir, 'unet', 'model.weights');
      const bytes = await readFile(weights);
      await writeFile(weights, bytes.with(100, (bytes[100] as number) ^ 1));
      process.kill(opened.pid as number, 'SIGKILL');
      while (isAlive(opened.pid as number)) await setTimeout(10);
      await expect(opened.generate(tinyJob(own))).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining('unet/model.weights has another SHA-256'),
      });
      await writeFile(weights, bytes);
      expect((await opened.generate(tinyJob(own))).images).toHaveLength(1);
      await opened.close();
    });

    it('is BACKEND_FAILED where it contradicts its description', async () => {
      await copy();
      const lying = { ...copied, vaeFactor: 2 * copied.vaeFactor };
      const opened = await onnxruntime.open(lying);
      await expect(opened.generate(tinyJob(lying))).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
      await opened.close();
    });
  });

  describe('and the process of its caller', () => {
    it.each(['open', 'generate'])('lets it exit by itself without close, after %s', async (scene) => {
      const caller = startCaller('onnxruntime', scene, model, tinyJob(model));
      expect(await caller.exit).toEqual({ code: 0, signal: null });
      expect(caller.lines).toEqual([expect.stringMatching(/^child \d+$/), `done ${scene}`]);
      await caller.childGone();
    });

    it('goes when the caller is killed, also in a native call that takes a minute', async () => {
      const caller = startCaller('onnxruntime', 'blocked', model, tinyJob(model));
      await caller.line('blocking');
      await setTimeout(100);
      caller.kill('SIGKILL');
      await caller.exit;
      await caller.childGone();
    });

    it('goes when the caller was gone before it could look', async () => {
      const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
      await once(gone, 'exit');
      const child = fork(fileURLToPath(new URL('./blocked-child.mjs', import.meta.url)), [String(gone.pid)]);
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    });

    it.each(['SIGKILL', 'SIGTERM'] as const)('goes when the caller is ended by %s, even in a job', async (signal) => {
      const caller = startCaller('onnxruntime', 'busy', model, tinyJob(model, { steps: LONG }));
      await caller.line('step');
      caller.kill(signal);
      await caller.exit;
      await caller.childGone();
    });
  });

  it('keeps its memory and the handles of its caller over 1,000 images', {
    ...skipFor(noLinux),
    timeout: 180_000,
  }, async () => {
    vi.stubEnv('NODE_OPTIONS', `--require ${fileURLToPath(new URL('./collect-garbage.cjs', import.meta.url))}`);
    // One heap of malloc instead of one for each thread: less noise in what is measured.
    vi.stubEnv('MALLOC_ARENA_MAX', '1');
    const leaky = await openSession(model, 1);
    const draw = (image: number) =>
      leaky.generate(tinyJob(model, { seeds: [image], promptIds: tinyPrompt(image % 600) }));
    const handles = () => process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate/.test(name));
    const measure = async (images: number) => {
      const points: Point[] = [];
      for (let image = 0; image < images; image++) {
        const due = image % 20 === 0;
        if (due) process.kill(leaky.pid as number, 'SIGUSR2');
        await draw(image);
        if (due) points.push({ image, bytes: await residentBytes(leaky.pid as number) });
      }
      return points;
    };
    await measure(500);
    const before = handles();
    expect(slope(await measure(1000))).toBeLessThan(2048);
    expect(handles()).toEqual(before);
    await leaky.close();
  });
});

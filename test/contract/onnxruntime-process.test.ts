import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { onnxruntime } from '../../src/backends/onnxruntime/onnxruntime.js';
import { openSession } from '../../src/backends/onnxruntime/session.js';
import type { ProcessSession } from '../../src/backends/process/process-session.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { mappedBytes, type Point, slope } from '../support/leaks.js';
import { noLinux, skipFor } from '../support/skip-for.js';
import { functionChain } from './function-chain.js';
import { gone, isAlive, startCaller } from './start-caller.js';
import { fixture, tinyJob, tinyPrompt } from './tiny-jobs.js';

const LONG = 500;
const EXIT_ON_SIGNAL = fileURLToPath(new URL('./exit-on-signal.cjs', import.meta.url));

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
    it.each(['SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGTERM'])(
      'by %s in the middle fails that job alone; the next starts a fresh process',
      async (signal) => {
        const before = session.pid as number;
        const next: Promise<unknown>[] = [];
        const onStep = () => {
          if (next.length > 0) return;
          next.push(session.generate(tinyJob(model)));
          process.kill(before, signal);
        };
        const job = session.generate(tinyJob(model, { steps: LONG }), { onStep });
        const message = `The process that runs onnxruntime-node ended (${signal})`;
        await expect(job).rejects.toMatchObject({ code: 'BACKEND_CRASHED', message });
        expect(await next[0]).toMatchObject({ images: [{ width: 32 }] });
        expect(session.pid).not.toBe(before);
        expect(isAlive(before)).toBe(false);
      },
    );

    it('by an exit code fails that job alone as well', async () => {
      vi.stubEnv('NODE_OPTIONS', `--require ${EXIT_ON_SIGNAL}`);
      const opened = await openSession(model, 1);
      const onStep = () => void process.kill(opened.pid as number, 'SIGUSR2');
      await expect(opened.generate(tinyJob(model, { steps: LONG }), { onStep })).rejects.toMatchObject({
        code: 'BACKEND_CRASHED',
        message: expect.stringContaining('(exit code 7)'),
      });
      expect((await opened.generate(tinyJob(model))).images).toHaveLength(1);
      await opened.close();
    });

    it('between jobs is not noticed by the next one', async () => {
      const before = session.pid as number;
      process.kill(before, 'SIGSEGV');
      await gone(before);
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

  it('gives back what a large image took', skipFor(noLinux), async () => {
    const opened = await openSession(model, 1);
    const pid = opened.pid as number;
    const draw = (latentSize: number) => opened.generate(tinyJob(model, { steps: 1, latentSize }));
    await draw(4);
    const before = await mappedBytes(pid);
    await draw(128);
    await draw(4);
    const grown = (await mappedBytes(pid)).peak - before.peak;
    expect(grown).toBeGreaterThan(200 * 2 ** 20);
    // Collected once the image is sent, and freed beside.
    const givenBack = async () => (await mappedBytes(pid)).now - before.now < grown / 2;
    await vi.waitUntil(givenBack, { timeout: 50_000, interval: 10 });
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
    // It was sent by then.
    await setImmediate();
    controller.abort('too slow');
    await expect(job).rejects.toBe('too slow');
    expect((await session.generate(tinyJob(model))).images).toHaveLength(1);
    expect(session.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
  });

  it('counts none of the time of an aborted job into the next one', async () => {
    const controller = new AbortController();
    let steps = 0;
    const onStep = () => ++steps === 10 && controller.abort('enough');
    const long = tinyJob(model, { steps: 500, latentSize: 16 });
    await expect(session.generate(long, { signal: controller.signal, onStep })).rejects.toBe('enough');
    const { timings } = await session.generate(tinyJob(model, { steps: 1 }));
    expect(timings.unet).toBeLessThanOrEqual(timings.total);
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
    await gone(first);
    const job = closing.generate(tinyJob(model));
    await vi.waitUntil(() => closing.pid !== first, { timeout: 50_000, interval: 1 });
    const second = closing.pid as number;
    await Promise.all([expect(job).rejects.toMatchObject({ code: 'CLOSED' }), closing.close()]);
    expect(second).not.toBe(first);
    expect(isAlive(second)).toBe(false);
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
      await gone(opened.pid);
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
      caller.kill('SIGKILL');
      await caller.exit;
      await caller.childGone();
    });

    it('goes on with the job when Ctrl-C reaches both, and the caller goes on', async () => {
      const caller = startCaller('onnxruntime', 'interrupted', model, tinyJob(model, { steps: LONG }));
      expect(await caller.exit).toEqual({ code: 0, signal: null });
      const [child] = caller.lines;
      expect(caller.lines).toEqual([child, 'SIGINT', child, 'done interrupted']);
    });

    it('goes when the caller was gone before it could look', async () => {
      const caller = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
      await once(caller, 'exit');
      const child = fork(fileURLToPath(new URL('./blocked-child.mjs', import.meta.url)), [String(caller.pid)]);
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

  it('holds nothing of the images that it drew', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 't2i-memory-')), 'bytes');
    vi.stubEnv('NODE_OPTIONS', `--require ${fileURLToPath(new URL('./collect-garbage.cjs', import.meta.url))}`);
    vi.stubEnv('T2I_MEMORY_FILE', file);
    const leaky = await openSession(model, 1);
    const draw = async (images: number) => {
      for (let i = 0; i < images; i++) {
        const job = tinyJob(model, { seeds: [i], promptIds: tinyPrompt(i % 600), previewEvery: 1 });
        await leaky.generate(job, { onStep: () => {} });
      }
    };
    const bytesInUse = async () => {
      process.kill(leaky.pid as number, 'SIGUSR2');
      const text = await vi.waitFor(() => readFile(file, 'utf8'), { timeout: 50_000, interval: 1 });
      await rm(file);
      return Number(text);
    };
    const points: Point[] = [];
    for (let image = 0; image < 500; image += 20) {
      await draw(20);
      // Code is compiled, and small memories fill, in the first ones.
      if (image >= 200) points.push({ image, bytes: await bytesInUse() });
    }
    // An image has 3,072 bytes of pixels alone.
    expect(slope(points)).toBeLessThan(500);
    await leaky.close();
    await rm(dirname(file), { recursive: true });
  });
});

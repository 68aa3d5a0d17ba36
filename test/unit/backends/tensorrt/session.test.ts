import { setImmediate } from 'node:timers/promises';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ImageEvent, StepEvent } from '../../../../src/backends/backend.js';
import { TensorrtSession } from '../../../../src/backends/tensorrt/session.js';
import { ImageNoise } from '../../../../src/diffusion/noise.js';
import { T2IError } from '../../../../src/errors.js';
import type { ModelDescription } from '../../../../src/model/description.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture, tinyJob } from '../../../contract/tiny-jobs.js';
import { drawnHere, FACTS, keeperOf, nativeError, RESULT, ScriptedNative } from './scripted-native.js';

describe('a tensorrt session', () => {
  let model: ModelDescription;
  let native: ScriptedNative;
  let session: TensorrtSession;
  const last = () => native.last;
  const next = (seen?: number) => native.next(seen);

  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });
  beforeEach(() => {
    native = new ScriptedNative();
    session = new TensorrtSession(native, FACTS, model.latentChannels, keeperOf(native), drawnHere());
  });

  it('passes the job on with its noise, without what has no effect', async () => {
    const job = tinyJob(model, { seeds: [1, 2], previewEvery: 2 });
    const { promptIds, guidance, seeds: _, ...shared } = job;
    const images = [1, 2].map((seed) => ({
      promptIds,
      negativeIds: guidance?.negativeIds,
      noise: new ImageNoise(seed, 4 * 4 * model.latentChannels).next(),
      drawn: Int32Array.of(1),
    }));
    const passed = { ...shared, guidanceScale: 5, images };
    void session.generate(job, { onStep: () => {} });
    expect((await next(0)).job).toEqual(passed);
    void session.generate(job);
    expect((await next(1)).job).toEqual({ ...passed, previewEvery: 0 });
    expect(last().onEvents).toBeNull();
    native.calls[0]?.resolve(RESULT);
    void session.generate({ ...job, guidance: null });
    expect((await next(2)).job).toMatchObject({ guidanceScale: null, images: [{ negativeIds: null }, {}] });
  });

  it('hands over the job that runs and the one after it: those behind hold no noise yet', async () => {
    const order: number[] = [];
    const seeds = [5, 4, 3, 2];
    const firstNoise = seeds.map((seed) => new ImageNoise(seed, 4 * 4 * model.latentChannels).next());
    const jobs = seeds.map((seed) =>
      session.generate(tinyJob(model, { seeds: [seed] })).then(({ noiseSha256 }) => order.push(noiseSha256.length)),
    );
    for (let done = 0; done < seeds.length; done++) {
      await next(Math.min(done + 1, seeds.length - 1));
      // Many more turns than noise of this size takes.
      for (let turn = 0; turn < 100; turn++) await setImmediate();
      expect(native.calls).toHaveLength(Math.min(done + 2, seeds.length));
      native.calls[done]?.resolve(RESULT);
    }
    await Promise.all(jobs);
    expect(order).toEqual([1, 1, 1, 1]);
    expect(native.calls.map(({ job }) => job.images[0]?.noise)).toEqual(firstNoise);
  });

  it('tells every step of a bundle, and none after the end', async () => {
    const steps: StepEvent[] = [];
    const job = session.generate(tinyJob(model), { onStep: (step) => steps.push(step) });
    await next(0);
    const step = (number: number) => ({ image: 0, step: number, steps: 3 });
    last().onEvents?.([step(1), step(2)]);
    last().resolve(RESULT);
    await job;
    last().onEvents?.([step(3)]);
    expect(steps).toEqual([step(1), step(2)]);
  });

  it('tells an image as it is done, with the hash of its noise', async () => {
    const told: ImageEvent[] = [];
    const job = session.generate(tinyJob(model, { seeds: [3, 4] }), { onImage: (image) => told.push(image) });
    await next(0);
    const raster = { rgb: Uint8Array.of(1, 2, 3), width: 1, height: 1 };
    last().onEvents?.([
      { image: 1, step: 1, steps: 1 },
      { image: 1, raster },
    ]);
    last().resolve({ ...RESULT, images: [raster, raster] });
    const { noiseSha256 } = await job;
    expect(told).toEqual([{ image: 1, raster, noiseSha256: noiseSha256[1] }]);
  });

  it('rejects at once when aborted, and tells the thread', async () => {
    const controller = new AbortController();
    let steps = 0;
    const job = session.generate(tinyJob(model), { signal: controller.signal, onStep: () => steps++ });
    await next(0);
    expect(last().signal.aborted).toBe(false);
    controller.abort('enough');
    await expect(job).rejects.toBe('enough');
    expect(last().signal.aborted).toBe(true);
    last().onEvents?.([{ image: 0, step: 1, steps: 1 }]);
    last().reject(nativeError('ABORTED'));
    expect(steps).toBe(0);
  });

  it('lets what the callback throws end the job, in the middle of a bundle', async () => {
    const mistake = new Error('mistake of the caller');
    let steps = 0;
    const job = session.generate(tinyJob(model), {
      onStep: () => {
        steps++;
        throw mistake;
      },
    });
    await next(0);
    last().onEvents?.([1, 2].map((step) => ({ image: 0, step, steps: 2 })));
    await expect(job).rejects.toBe(mistake);
    expect(steps).toBe(1);
    expect(last().signal.aborted).toBe(true);
  });

  it('keeps no listener on a signal that lives on', async () => {
    const controller = new AbortController();
    const job = session.generate(tinyJob(model), { signal: controller.signal });
    await next(0);
    last().resolve(RESULT);
    await job;
    controller.abort();
    expect(last().signal.aborted).toBe(false);
  });

  it('gives native errors their code and hint, and calls those without a known code a bug', async () => {
    const first = session.generate(tinyJob(model));
    await next(0);
    last().reject(nativeError('OUT_OF_MEMORY', 'no room', 'Ask for less.'));
    const error = await first.catch((caught) => caught);
    expect(T2IError.is(error)).toBe(true);
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', message: 'no room', hint: 'Ask for less.' });
    for (const strange of [nativeError('EWEIRD'), new TypeError('x'), 'text']) {
      const job = session.generate(tinyJob(model));
      (await next()).reject(strange);
      await expect(job).rejects.toMatchObject({ code: 'INTERNAL', name: 'T2IInternalError' });
    }
  });

  it('fails fast once the device is lost, and says that a new process is needed', async () => {
    const job = session.generate(tinyJob(model));
    (await next()).reject(nativeError('DEVICE_LOST', 'illegal address'));
    const lost = { code: 'DEVICE_LOST', message: 'illegal address', hint: expect.stringMatching(/new process/) };
    await expect(job).rejects.toMatchObject(lost);
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject(lost);
    expect(native.calls).toHaveLength(1);
  });

  it('warns with every result of what the session fell back to, and refuses it in a job under strict', async () => {
    const warned = new TensorrtSession(
      native,
      { ...FACTS, warnings: ['The decoder runs in fp32.'] },
      4,
      keeperOf(native),
      drawnHere(),
    );
    const job = warned.generate(tinyJob(model));
    (await next()).resolve({ ...RESULT, warnings: ['No graph.'] });
    expect((await job).warnings).toEqual(['The decoder runs in fp32.', 'No graph.']);
    const strict = new TensorrtSession(native, { ...FACTS, strict: true }, 4, keeperOf(native), drawnHere());
    const refused = strict.generate(tinyJob(model));
    (await next()).resolve({ ...RESULT, warnings: ['No graph.'] });
    await expect(refused).rejects.toMatchObject({ code: 'BACKEND_FAILED', message: expect.stringMatching(/No graph/) });
  });

  it('takes what warns of nothing under strict', async () => {
    const strict = new TensorrtSession(native, { ...FACTS, strict: true }, 4, keeperOf(native), drawnHere());
    const job = strict.generate(tinyJob(model));
    (await next()).resolve(RESULT);
    expect((await job).warnings).toEqual([]);
  });

  it('asks nothing of the device for seeds that are none', async () => {
    await expect(session.generate(tinyJob(model, { seeds: [-1] }))).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    const job = session.generate(tinyJob(model));
    (await next(0)).resolve(RESULT);
    await job;
    expect(native.calls).toHaveLength(1);
  });

  it('keeps what was compiled for as many images as ran together, and ends its thread of noise', async () => {
    const keeper = keeperOf(native);
    const after = vi.spyOn(keeper, 'after');
    let ended = 0;
    const noise = { ...drawnHere(), close: () => void ended++ };
    const own = new TensorrtSession(native, FACTS, model.latentChannels, keeper, noise);
    const job = tinyJob(model, { seeds: [1, 2] });
    const result = own.generate(job);
    (await next(0)).resolve(RESULT);
    await result;
    expect(after.mock.calls).toEqual([[job, 2]]);
    await own.close();
    expect(ended).toBe(1);
  });

  it('closes the native session once and takes no job afterwards', async () => {
    await Promise.all([session.close(), session.close()]);
    expect(native.closes).toBe(1);
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject({ code: 'CLOSED' });
    expect(native.calls).toHaveLength(0);
  });
});

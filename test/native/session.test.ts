import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NativeImage, NativeJob, NativeSession, NativeStep } from '../../src/backends/tensorrt/native.js';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, openTiny, sessionOptions, spinUntil, tinyJob } from './tiny-native.mjs';

/** Runs for seconds unless it is ended. */
const LONG = { steps: 60_000 };
/** Asked by the last line of a job: every step has been reported then. */
const jobDone = () => addon.sim.callsOf('elapsed') > 0;
const stepsOf = (news: readonly (NativeStep | NativeImage)[]) => news.filter((each) => 'step' in each);

describe('a native session', skipFor(noBuild('sim')), () => {
  let session: NativeSession;
  beforeEach(async () => {
    session = await openTiny();
  });
  afterEach(async () => {
    addon.sim.failCall(0, 'none');
    await session.close();
    expect(addon.sim.live()).toBe(0);
  });

  const pixels = async (job: NativeJob, by = session) =>
    (await by.generate(job, null, null)).images.map(({ rgb }) => Buffer.from(rgb).toString('base64'));
  /** Resolves at the first step of the job that runs. */
  const started = (job: NativeJob, signal: AbortSignal | null = null) => {
    let result: Promise<unknown> = Promise.resolve();
    const first = new Promise<void>((resolve) => {
      result = session.generate(job, signal, () => resolve());
      result.catch(() => resolve());
    });
    return { first, result };
  };

  describe('generates', () => {
    it('images of the size asked for, with timings, the same ones for the same job', async () => {
      const job = tinyJob({ images: 2, side: 6 });
      const { images, timings, warnings } = await session.generate(job, null, null);
      expect(images.map(({ width, height, rgb }) => [width, height, rgb.length])).toEqual([
        [48, 48, 48 * 48 * 3],
        [48, 48, 48 * 48 * 3],
      ]);
      expect(timings.total).toBeGreaterThan(0);
      expect(warnings).toEqual([]);
      expect(await pixels(job)).toEqual(images.map(({ rgb }) => Buffer.from(rgb).toString('base64')));
      expect(await pixels(tinyJob({ images: 2, side: 6, seed: 2 }))).not.toEqual(await pixels(job));
    });

    it('each job for itself, whatever happens to its arrays after the call', async () => {
      const expected = await pixels(tinyJob());
      const job = tinyJob();
      const running = pixels(job);
      for (const { noise, promptIds } of job.images) {
        noise.fill(9);
        promptIds.fill(0);
      }
      job.plan.rows.fill(0);
      expect(await running).toEqual(expected);
    });

    it('in the order of the calls', async () => {
      const done: number[] = [];
      await Promise.all(
        [1, 2, 3, 4].map((i) => session.generate(tinyJob({ steps: 9 - i }), null, null).then(() => done.push(i))),
      );
      expect(done).toEqual([1, 2, 3, 4]);
    });

    it('on two sessions at once what each would alone', async () => {
      const other = await openTiny();
      const jobs = [1, 2, 3, 4, 5].map((seed) => tinyJob({ seed, steps: 20, images: 2 }));
      const alone = [];
      for (const job of jobs) alone.push(await pixels(job));
      const both = await Promise.all(jobs.flatMap((job) => [pixels(job), pixels(job, other)]));
      expect(both).toEqual(alone.flatMap((one) => [one, one]));
      await other.close();
    });
  });

  describe('reports', () => {
    it('every step of every image in order, with previews where they are due', async () => {
      const steps: NativeStep[] = [];
      await session.generate(tinyJob({ steps: 5, images: 2, previewEvery: 2 }), null, (news) =>
        steps.push(...stepsOf(news)),
      );
      for (const image of [0, 1]) {
        const own = steps.filter((step) => step.image === image);
        expect(own.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
        const seen = own.filter(({ preview }) => preview?.rgb.length === 32 * 32 * 3).map(({ step }) => step);
        // The first may have been overtaken by the second.
        expect([[2, 4], [4]]).toContainEqual(seen);
        expect(own.every(({ steps: all }) => all === 5)).toBe(true);
      }
    });

    it('every image as it is done, the same that the result has', async () => {
      const told: NativeImage[] = [];
      const { images } = await session.generate(tinyJob({ steps: 2, images: 3 }), null, (news) =>
        told.push(...news.filter((each) => 'raster' in each)),
      );
      expect(told).toEqual(images.map((raster, image) => ({ image, raster })));
    });

    it('in few calls what gathered while JavaScript was busy', async () => {
      const calls: number[][] = [];
      addon.sim.failCall(0, 'none');
      const result = session.generate(tinyJob({ steps: 500 }), null, (news) =>
        calls.push(stepsOf(news).map(({ step }) => step)),
      );
      spinUntil(jobDone);
      await result;
      expect(calls.flat()).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
      expect(calls.length).toBeLessThanOrEqual(2);
    });

    it('of the previews that gathered meanwhile an image’s newest alone', async () => {
      addon.sim.failCall(0, 'none');
      const told: NativeStep[] = [];
      const job = tinyJob({ steps: 40, images: 2, previewEvery: 2 });
      const result = session.generate(job, null, (news) => told.push(...stepsOf(news)));
      spinUntil(jobDone);
      await result;
      expect(told).toHaveLength(80);
      const seen = told.filter(({ preview }) => preview).map(({ image, step }) => [image, step]);
      // One more of each where a delivery was under way already.
      expect(seen.length).toBeLessThanOrEqual(4);
      expect(seen).toEqual(expect.arrayContaining([0, 1].map((image) => [image, 40])));
    });

    it('without waiting for a slow listener', async () => {
      addon.sim.failCall(0, 'none');
      const told: number[] = [];
      await session.generate(tinyJob({ steps: 200 }), null, (news) => {
        told.push(...stepsOf(news).map(({ step }) => step));
        spinUntil(jobDone);
      });
      expect(told).toHaveLength(200);
    });
  });

  describe('aborted', () => {
    const abortedAt = async (step: number, steps: number) => {
      const controller = new AbortController();
      const result = session.generate(tinyJob({ steps }), controller.signal, (news) => {
        if (stepsOf(news).some((report) => report.step >= step)) controller.abort();
      });
      return { result, controller };
    };

    it('before the call: rejects at once and asks nothing of the device', async () => {
      const calls = addon.sim.calls();
      await expect(session.generate(tinyJob(), AbortSignal.abort(), null)).rejects.toMatchObject({ code: 'ABORTED' });
      expect(addon.sim.calls()).toBe(calls);
    });

    it('in the middle: rejects long before the end, and the next job is right', async () => {
      const expected = await pixels(tinyJob());
      const controller = new AbortController();
      const { first, result } = started(tinyJob(LONG), controller.signal);
      await first;
      controller.abort();
      await expect(result).rejects.toMatchObject({ code: 'ABORTED' });
      expect(await pixels(tinyJob())).toEqual(expected);
    });

    it('at every step: rejects, and the next job is right', async () => {
      const expected = await pixels(tinyJob());
      for (let step = 1; step <= 12; step++) {
        const { result } = await abortedAt(step, 12);
        await expect(result).rejects.toMatchObject({ code: 'ABORTED' });
        expect(await pixels(tinyJob())).toEqual(expected);
      }
    });

    it('after the end: changes nothing, and no listener stays on the signal', async () => {
      const controller = new AbortController();
      const { images } = await session.generate(tinyJob(), controller.signal, null);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
      controller.abort();
      expect(images).toHaveLength(1);
    });

    it('in the queue: rejects at once, and the others go on', async () => {
      const running = new AbortController();
      const { first, result } = started(tinyJob(LONG), running.signal);
      const waiting = new AbortController();
      const queued = session.generate(tinyJob(), waiting.signal, null);
      const last = pixels(tinyJob({ seed: 3 }));
      await first;
      waiting.abort();
      await expect(queued).rejects.toMatchObject({ code: 'ABORTED' });
      expect(getEventListeners(waiting.signal, 'abort')).toEqual([]);
      running.abort();
      await expect(result).rejects.toMatchObject({ code: 'ABORTED' });
      expect(await last).toEqual(await pixels(tinyJob({ seed: 3 })));
    });

    it('hears of no step after the abort', async () => {
      const controller = new AbortController();
      let after = 0;
      const launches = () => addon.sim.callsOf('launch');
      const result = session.generate(tinyJob(LONG), controller.signal, () => {
        if (controller.signal.aborted) after++;
        const before = launches();
        // Meanwhile more steps gather.
        if (after === 0) spinUntil(() => launches() > before + 10);
        controller.abort();
      });
      await expect(result).rejects.toMatchObject({ code: 'ABORTED' });
      expect(after).toBe(0);
    });
  });

  describe('whose listener', () => {
    it.each([new Error('mistake'), 7, undefined, Symbol('s')])(
      'throws %s rejects with just that; the next job is right',
      async (thrown) => {
        const expected = await pixels(tinyJob());
        const throwing = () => {
          throw thrown;
        };
        await session.generate(tinyJob(LONG), null, throwing).then(
          () => expect.unreachable(),
          (error) => expect(error).toBe(thrown),
        );
        expect(await pixels(tinyJob())).toEqual(expected);
      },
    );

    it('asks for another image gets it afterwards', async () => {
      let inner: Promise<string[]> | null = null;
      await session.generate(tinyJob(), null, () => {
        inner ??= pixels(tinyJob({ seed: 5 }));
      });
      expect(await inner).toEqual(await pixels(tinyJob({ seed: 5 })));
    });

    it('closes the session ends the job with CLOSED', async () => {
      let closing: Promise<void> | null = null;
      const result = session.generate(tinyJob(LONG), null, () => {
        closing ??= session.close();
      });
      await expect(result).rejects.toMatchObject({ code: 'CLOSED' });
      await closing;
    });
  });

  describe('closed', () => {
    it('refuses new jobs, ends those under way, and closes once', async () => {
      const { first, result } = started(tinyJob(LONG));
      const queued = session.generate(tinyJob(), null, null);
      const refused = (promise: Promise<unknown>) => expect(promise).rejects.toMatchObject({ code: 'CLOSED' });
      const ends = [refused(result), refused(queued)];
      await first;
      const closings = [session.close(), session.close()];
      await Promise.all([...ends, refused(session.generate(tinyJob(), null, null)), ...closings]);
      await session.close();
      await expect(session.generate(tinyJob(), null, null)).rejects.toMatchObject({ code: 'CLOSED' });
    });

    it('leaves other sessions alone', async () => {
      const other = await openTiny();
      const expected = await pixels(tinyJob());
      await other.close();
      expect(await pixels(tinyJob())).toEqual(expected);
    });
  });

  it('says in its errors who called', async () => {
    async function theCallerOfGenerate() {
      return await session.generate(tinyJob(LONG), null, () => void session.close());
    }
    const error = await theCallerOfGenerate().catch((caught) => caught);
    expect(error.stack).toMatch(/^Error: the session was closed.*theCallerOfGenerate/s);
  });

  it('is not opened from engines that are none or do not fit, nor without a library', async () => {
    const options = await sessionOptions();
    const { engines, engineHashes, model } = options;
    const opening = (changes: object) => addon.Session.open({ ...options, ...changes });
    const withUnet = (unet: Uint8Array, hash: string) =>
      opening({ engines: { ...engines, unet }, engineHashes: { ...engineHashes, unet: hash } });
    const invalid = { code: 'ENGINE_INVALID' };
    await expect(withUnet(Buffer.from('garbage'), 'none')).rejects.toMatchObject(invalid);
    await expect(withUnet(engines.vaeDecoder, engineHashes.vaeDecoder)).rejects.toMatchObject(invalid);
    await expect(opening({ model: { ...model, latentChannels: 5 } })).rejects.toMatchObject({ code: 'ENGINE_INVALID' });
    await expect(opening({ library: '/nowhere/libnvinfer.so.10' })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
    });
    await expect(opening({ device: 3 })).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
  });
});

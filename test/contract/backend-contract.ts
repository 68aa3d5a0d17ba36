import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Backend, ImageEvent, Job, Raster, Session, StepEvent } from '../../src/backends/backend.js';
import { ImageNoise, noisyRows } from '../../src/diffusion/noise.js';
import { hashArrays } from '../../src/image/receipt.js';
import type { ModelDescription } from '../../src/model/description.js';
import { describeModel } from '../../src/model/layout.js';
import { type Lack, skipFor } from '../support/skip-for.js';
import { difference, turnsDuring } from './observe.js';
import { fixture, referenceImages, tinyJob, tinyPrompt } from './tiny-jobs.js';

/** More steps than a test waits for. */
const LONG = 500;

export interface Tolerance {
  /** Largest difference of one byte from the reference images. */
  readonly byte: number;
  /** Share of bytes that may differ at all. */
  readonly share: number;
}

/** A backend, and what can be asked of it. */
export interface Subject {
  readonly name: string;
  readonly backend: Backend;
  /** Folder of the fixtures with the models that it reads; their own by default. */
  readonly models?: string;
  /** How models are opened; by default as they are. */
  readonly open?: (model: ModelDescription) => Promise<Session>;
  /** The images that a job must give; by default, those that diffusers and onnxruntime made. */
  readonly expected?: (model: ModelDescription, job: Job) => Promise<readonly Raster[]>;
  readonly tolerance: Tolerance;
  /** Runs the images of a job side by side: steps of one image come in order, those of several in any. */
  readonly batches: boolean;
  /** Takes seconds to open a model, and milliseconds a step of the tiny ones. */
  readonly slow?: true;
  /** What it needs and this machine has not. */
  readonly lack?: Lack;
  /** Rounds otherwise by the number of images in a batch: an image alone is that of a batch within the tolerance only. */
  readonly roundsByBatch?: boolean;
}

/** What every backend promises, whatever it runs on. Call it in a test file of the backend. */
export function backendContract(subject: Subject): void {
  const { backend, tolerance, models = '.', open = (model) => backend.open(model) } = subject;
  const describeTiny = (name: string) =>
    describeModel(fixture(`${models}/${name}`), undefined, undefined, backend.weights);
  const runs = subject.slow ? 1 : 3;

  describe(`the contract of a backend, ${subject.name}`, skipFor(subject.lack ?? null), () => {
    if (subject.slow) vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
    let model: ModelDescription;
    let session: Session;
    /** Sessions beside that one, by a name of their own: opening takes a while. */
    const others = new Map<string, Promise<Session>>();
    const other = (name: string, described: ModelDescription): Promise<Session> => {
      const known = others.get(name) ?? open(described);
      others.set(name, known);
      return known;
    };
    const draw = async (job: Job): Promise<Raster[]> => [...(await session.generate(job)).images];

    beforeAll(async () => {
      model = await describeTiny('tiny');
      session = await open(model);
    });
    afterAll(async () => {
      for (const each of [session, ...(await Promise.all(others.values()))]) await each.close();
    });

    it('says that it can run here and names its runtime', async () => {
      expect(await backend.probe()).toMatchObject({ available: true, detail: expect.stringMatching(/\d/) });
      expect(session.runtime).toMatch(/^\S+ \d+\.\d+/);
    });

    it.each(referenceImages(models).map((image, index) => ({ index, name: image.model, image })))(
      'draws reference image $index, of $name',
      async ({ image }) => {
        const described = await describeTiny(image.model);
        const opened = image.model === 'tiny' ? session : await other(image.model, described);
        const job = tinyJob(described, { ...image, seeds: [image.seed] });
        const { images } = await opened.generate(job);
        expect(images[0]).toMatchObject({ width: image.width, height: image.height });
        const expected = (await subject.expected?.(described, job))?.[0]?.rgb ?? Buffer.from(image.rgb, 'base64');
        const { largest, share } = difference(images[0]?.rgb as Uint8Array, expected);
        expect(largest).toBeLessThanOrEqual(tolerance.byte);
        expect(share).toBeLessThanOrEqual(tolerance.share);
      },
    );

    describe('images', () => {
      it('are those of their seeds alone, whatever stands beside them', async () => {
        const seeds = [3, 1, 2, 0];
        const together = await draw(tinyJob(model, { seeds, sampler: 'ddpm' }));
        for (const [index, seed] of seeds.entries()) {
          const [alone] = (await draw(tinyJob(model, { seeds: [seed], sampler: 'ddpm' }))) as [Raster];
          const { largest } = difference(alone.rgb, (together[index] as Raster).rgb);
          expect(largest).toBeLessThanOrEqual(subject.roundsByBatch ? tolerance.byte : 0);
        }
        expect(together[0]).not.toEqual(together[1]);
      });

      it('come with the hash of their noise, of every block that the plan reads', async () => {
        const job = tinyJob(model, { seeds: [1, 2], sampler: 'ddpm', steps: 3 });
        const latentSize = model.latentChannels * job.latentHeight * job.latentWidth;
        const expected = job.seeds.map((seed) => {
          const noise = new ImageNoise(seed, latentSize);
          return hashArrays(...Array.from({ length: 1 + noisyRows(job.plan) }, () => noise.next()));
        });
        expect((await session.generate(job)).noiseSha256).toEqual(expected);
      });

      it('depend on the prompt and, with guidance, on the negative prompt and the scale', async () => {
        const different = tinyPrompt(547);
        const images = await Promise.all([
          draw(tinyJob(model)),
          draw(tinyJob(model, { promptIds: different })),
          draw(tinyJob(model, { negativeIds: different })),
          draw(tinyJob(model, { guidanceScale: 6 })),
          draw(tinyJob(model, { guidanceScale: 1 })),
        ]);
        expect(new Set(images.map((rasters) => hashArrays(...rasters.map(({ rgb }) => rgb)))).size).toBe(5);
      });

      it('take any size that the graphs take', async () => {
        const job = { ...tinyJob(model, { latentSize: 4 }), latentHeight: 2, latentWidth: 8 };
        expect((await draw(job))[0]).toMatchObject({ width: 8 * model.vaeFactor, height: 2 * model.vaeFactor });
      });

      it('come with the time that each network took', async () => {
        const { timings } = await session.generate(tinyJob(model, { promptIds: tinyPrompt(1) }));
        const { textEncoder, unet, vaeDecoder, total } = timings;
        for (const time of [textEncoder, unet, vaeDecoder]) expect(time).toBeGreaterThan(0);
        // Each is measured by itself: a device's clock ticks every half a microsecond.
        expect(total).toBeGreaterThanOrEqual(textEncoder + unet + vaeDecoder - 0.002);
      });
    });

    describe('steps', () => {
      it('are reported in order, with a preview where one is due', async () => {
        const events: StepEvent[] = [];
        const job = tinyJob(model, { seeds: [1, 2], steps: 3, previewEvery: 2 });
        const { images } = await session.generate(job, { onStep: (event) => events.push(event) });
        const expected = [0, 1].flatMap((image) => [1, 2, 3].map((step) => ({ image, step, steps: 3 })));
        // Stable: what one image reported stays in its order.
        if (subject.batches) events.sort((a, b) => a.image - b.image);
        expect(events.map(({ image, step, steps }) => ({ image, step, steps }))).toEqual(expected);
        expect(events.map((event) => event.preview !== undefined)).toEqual([false, true, false, false, true, false]);
        expect(events[1]?.preview).toMatchObject({ width: images[0]?.width, height: images[0]?.height });
        expect(events[1]?.preview?.rgb.length).toBe(images[0]?.rgb.length);
      });

      it('are followed by their image, before the result has it', async () => {
        const order: string[] = [];
        const told: ImageEvent[] = [];
        const job = tinyJob(model, { seeds: [1, 2, 3], steps: 2 });
        const result = await session.generate(job, {
          onStep: ({ image, step }) => order.push(`${image}: ${step}`),
          onImage: (event) => {
            order.push(`${event.image}: done`);
            told.push(event);
          },
        });
        expect(told).toEqual(
          job.seeds.map((_, image) => ({
            image,
            raster: result.images[image],
            noiseSha256: result.noiseSha256[image],
          })),
        );
        for (const image of [0, 1, 2]) {
          const own = order.filter((line) => line.startsWith(`${image}:`));
          expect(own).toEqual([`${image}: 1`, `${image}: 2`, `${image}: done`]);
        }
        if (!subject.batches) expect(order.indexOf('0: done')).toBeLessThan(order.indexOf('1: 1'));
      });

      it('change nothing in the image by being watched', async () => {
        const job = tinyJob(model, { steps: 3 });
        const watched = await session.generate({ ...job, previewEvery: 1 }, { onStep: () => {} });
        expect([...watched.images]).toEqual(await draw(job));
      });

      it('end the job, and it alone, with what the callback throws', async () => {
        const mistake = new Error('mistake of the caller');
        const onStep = () => {
          throw mistake;
        };
        await expect(session.generate(tinyJob(model, { steps: LONG }), { onStep })).rejects.toBe(mistake);
        expect(await draw(tinyJob(model))).toHaveLength(1);
      });
    });

    describe('an abort', () => {
      const reason = new Error('changed my mind');

      it('before the call rejects with its reason', async () => {
        let steps = 0;
        const control = { signal: AbortSignal.abort(reason), onStep: () => steps++ };
        await expect(session.generate(tinyJob(model), control)).rejects.toBe(reason);
        await draw(tinyJob(model));
        expect(steps).toBe(0);
      });

      it('in the middle rejects with its reason and frees the backend within a step', async () => {
        const long = (n: number) => tinyJob(model, { steps: LONG, latentSize: 16, seeds: [...Array(n).keys()] });
        // Some seconds of work, whose rest would take thrice as long as what is begun in another session at the abort: whatever
        // else the machine does, it does to both.
        const { timings } = await session.generate(long(1));
        const images = Math.min(50, Math.ceil(1000 / timings.total));
        const beside = await other('beside', model);
        const controller = new AbortController();
        const unneeded = new AbortController();
        let [steps, third] = [0, Promise.resolve('')];
        const onStep = () => {
          if (++steps !== 3) return;
          controller.abort(reason);
          third = beside.generate(long(images), { signal: unneeded.signal }).then(() => 'a third', String);
        };
        await expect(session.generate(long(3 * images), { signal: controller.signal, onStep })).rejects.toBe(reason);
        const next = draw(tinyJob(model, { steps: 1 })).then(() => 'the next job');
        expect(await Promise.race([third, next])).toBe('the next job');
        expect(steps).toBe(3);
        unneeded.abort();
        await third;
      });

      it('in the queue rejects at once and leaves the others alone', async () => {
        const controller = new AbortController();
        const settled: string[] = [];
        const first = session.generate(tinyJob(model, { steps: 200 })).then(() => settled.push('first'));
        const second = session.generate(tinyJob(model), { signal: controller.signal }).catch((error) => {
          settled.push('second');
          return error;
        });
        const third = session.generate(tinyJob(model)).then(() => settled.push('third'));
        controller.abort(reason);
        expect(await second).toBe(reason);
        await Promise.all([first, third]);
        expect(settled).toEqual(['second', 'first', 'third']);
      });

      it('after the end does nothing', async () => {
        const controller = new AbortController();
        await session.generate(tinyJob(model), { signal: controller.signal });
        controller.abort(reason);
        expect(await draw(tinyJob(model))).toHaveLength(1);
      });
    });

    it('runs jobs in the order of their calls', async () => {
      const order: number[] = [];
      const seeds = [5, 4, 3, 2, 1];
      await Promise.all(
        seeds.map((seed) => session.generate(tinyJob(model, { seeds: [seed] })).then(() => order.push(seed))),
      );
      expect(order).toEqual(seeds);
    });

    it('leaves the event loop of the caller free: it turns many times a step', async () => {
      const job = tinyJob(model, { steps: LONG, latentSize: 16, previewEvery: 10 });
      const turns = await turnsDuring(async () => {
        for (let run = 0; run < runs; run++) await session.generate(job, { onStep: () => {} });
      });
      // A call that blocks gives it a turn or two a step, one that does not some hundred on a busy machine.
      expect(turns).toBeGreaterThan(5 * runs * LONG);
    });

    it('refuses new jobs once it is closed, ends those under way, may be closed twice, and leaves others alone', async () => {
      const closing = await other('beside', model);
      const jobs = [LONG, 1].map((steps) => closing.generate(tinyJob(model, { steps })));
      const outcomes = Promise.allSettled(jobs);
      await Promise.all([closing.close(), closing.close()]);
      for (const outcome of await outcomes) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } });
      }
      await closing.close();
      await expect(closing.generate(tinyJob(model))).rejects.toMatchObject({ code: 'CLOSED' });
      expect(await draw(tinyJob(model))).toHaveLength(1);
    });
  });
}

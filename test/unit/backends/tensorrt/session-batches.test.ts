import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GenerateControl, JobResult } from '../../../../src/backends/backend.js';
import type { NativeResult } from '../../../../src/backends/tensorrt/native.js';
import { TensorrtSession } from '../../../../src/backends/tensorrt/session.js';
import { ImageNoise } from '../../../../src/diffusion/noise.js';
import type { ModelDescription } from '../../../../src/model/description.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture, type JobOptions, tinyJob, tinyPrompt } from '../../../contract/tiny-jobs.js';
import { drawnHere, FACTS, keeperOf, nativeError, RESULT, ScriptedNative } from './scripted-native.js';

describe('jobs that are alike and wait in a tensorrt session', () => {
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
    native.largestBatch = 8;
    session = new TensorrtSession(native, FACTS, model.latentChannels, keeperOf(native), drawnHere());
  });

  const PIXELS = [10, 11, 12, 13, 14, 15, 16, 17].map((value) => ({
    rgb: Uint8Array.of(value),
    width: 1,
    height: 1,
  }));
  const pixels = (count: number): NativeResult => ({ ...RESULT, images: PIXELS.slice(0, count) });
  const drawn = async (result: Promise<JobResult>) => (await result).images.map(({ rgb }) => rgb[0]);
  const ask = (options: JobOptions, control: GenerateControl = {}) =>
    session.generate(tinyJob(model, options), control);

  const handedOver = async (calls: number) => {
    if (native.calls.length < calls) await next(calls - 1);
    return native.calls.map(({ job }) => job.images.length);
  };

  it('hands over as one those that were asked for in one turn, each with its prompt and its noise', async () => {
    const jobs = [tinyPrompt(5), tinyPrompt(6), tinyPrompt(7)].map((promptIds, i) =>
      ask({ promptIds, negativeIds: tinyPrompt(i), seeds: i === 1 ? [2, 3] : [i] }),
    );
    await next(0);
    const { images } = last().job;
    expect(images.map(({ promptIds }) => promptIds[2])).toEqual([5, 6, 6, 7]);
    expect(images.map(({ negativeIds }) => negativeIds?.[2])).toEqual([0, 1, 1, 2]);
    const size = 4 * 4 * model.latentChannels;
    expect(images.map(({ noise }) => noise)).toEqual([0, 2, 3, 2].map((seed) => new ImageNoise(seed, size).next()));
    last().resolve(pixels(4));
    expect(await Promise.all(jobs.map(drawn))).toEqual([[10], [11, 12], [13]]);
    expect(native.calls).toHaveLength(1);
    const hashes = (await Promise.all(jobs)).map(({ noiseSha256 }) => noiseSha256.length);
    expect(hashes).toEqual([1, 2, 1]);
  });

  it('hands over no more images than the engine takes at once, half as many with guidance', async () => {
    for (let i = 0; i < 12; i++) void ask({ seeds: [i], guidanceScale: i < 6 ? 5 : 1 });
    expect(await handedOver(2)).toEqual([4, 2]);
    native.calls[0]?.resolve(pixels(4));
    native.calls[1]?.resolve(pixels(2));
    expect(await handedOver(3)).toEqual([4, 2, 6]);
  });

  it('takes a later one along where there is room for it, and leaves the order of the others', async () => {
    const ended: number[] = [];
    const seeds = [[1, 2, 3], [4, 5], [6], [7, 8, 9, 10, 11]];
    const jobs = seeds.map((each, i) => ask({ seeds: each }).then(() => ended.push(i)));
    expect(await handedOver(2)).toEqual([4, 2]);
    native.calls[0]?.resolve(pixels(4));
    native.calls[1]?.resolve(pixels(2));
    expect(await handedOver(3)).toEqual([4, 2, 5]);
    last().resolve(pixels(5));
    await Promise.all(jobs);
    expect(ended).toEqual([0, 2, 1, 3]);
  });

  it.each<[string, JobOptions]>([
    ['steps', { steps: 3 }],
    ['size', { latentSize: 6 }],
    ['sampler', { sampler: 'euler' }],
    ['scale', { guidanceScale: 4 }],
    ['guidance', { guidanceScale: 1 }],
    ['previews', { previewEvery: 1 }],
  ])('keeps apart those of another %s', async (_, other) => {
    for (const options of [{}, other]) void ask(options);
    expect(await handedOver(2)).toEqual([1, 1]);
  });

  it('tells each of its own steps and images', async () => {
    const told: unknown[][] = [[], [], []];
    const tell = (i: number): GenerateControl => ({
      onStep: ({ image, step }) => told[i]?.push([image, step]),
      ...(i === 2 && { onImage: ({ image, noiseSha256 }) => told[i]?.push([image, noiseSha256.length]) }),
    });
    const jobs = [[1], [2, 3], [4]].map((seeds, i) => ask({ seeds }, i === 0 ? {} : tell(i)));
    const { onEvents, resolve } = await next(0);
    onEvents?.([0, 1, 2, 3].map((image) => ({ image, step: 1, steps: 2 })));
    onEvents?.(PIXELS.slice(0, 4).map((raster, image) => ({ image, raster })));
    resolve(pixels(4));
    await Promise.all(jobs);
    const [first, second, third] = told;
    expect([first, second]).toEqual([
      [],
      [
        [0, 1],
        [1, 1],
      ],
    ]);
    expect(third).toEqual([
      [0, 1],
      [0, 64],
    ]);
  });

  it('lets one leave: the others go on, and the last one to leave ends the run', async () => {
    const aborts = [1, 2, 3].map(() => new AbortController());
    const ended = aborts.map(({ signal }, i) => ask({ seeds: [i] }, { signal }).catch((reason) => reason));
    await next(0);
    aborts[0]?.abort('first');
    expect(await ended[0]).toBe('first');
    aborts[2]?.abort('third');
    expect([await ended[2], last().signal.aborted]).toEqual(['third', false]);
    aborts[1]?.abort('second');
    expect([await ended[1], last().signal.aborted]).toEqual(['second', true]);
    last().reject(nativeError('ABORTED'));
  });

  it('leaves out one that leaves before, and one whose seed is none', async () => {
    const abort = new AbortController();
    const left = ask({ seeds: [1] }, { signal: abort.signal });
    const bad = ask({ seeds: [-1] });
    const good = ask({ seeds: [3] });
    abort.abort('gone');
    await expect(left).rejects.toBe('gone');
    await expect(bad).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect((await next(0)).job.images).toHaveLength(1);
    last().resolve(pixels(1));
    expect(await drawn(good)).toEqual([10]);
  });

  it('tries each by itself when they fail together, and tells no step twice', async () => {
    const steps: string[] = [];
    const follow = (i: number): GenerateControl => ({ onStep: ({ step }) => steps.push(`${i}: ${step}`) });
    const jobs = [0, 1, 2].map((i) => ask({ seeds: [i] }, follow(i)));
    const outcomes = Promise.allSettled(jobs);
    await next(0);
    const step = (image: number, number: number) => ({ image, step: number, steps: 2 });
    last().onEvents?.([step(0, 1), step(1, 1), step(2, 1)]);
    last().reject(nativeError('BACKEND_FAILED', 'NaN'));
    const alone = async (calls: number, answer: () => void) => {
      expect((await next(calls)).job.images).toHaveLength(1);
      last().onEvents?.([step(0, 1), step(0, 2)]);
      answer();
    };
    await alone(1, () => last().resolve(pixels(1)));
    await alone(2, () => last().reject(nativeError('BACKEND_FAILED', 'NaN')));
    await alone(3, () => last().resolve(pixels(1)));
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(steps).toEqual(['0: 1', '1: 1', '2: 1', '0: 2', '1: 2', '2: 2']);
    await expect(jobs[1]).rejects.toMatchObject({ code: 'BACKEND_FAILED', message: 'NaN' });
  });

  it('tries none again where the device is lost', async () => {
    const jobs = [0, 1].map((i) => ask({ seeds: [i] }));
    (await next(0)).reject(nativeError('DEVICE_LOST', 'illegal address'));
    await Promise.all(jobs.map((job) => expect(job).rejects.toMatchObject({ code: 'DEVICE_LOST' })));
    expect(native.calls).toHaveLength(1);
  });
});

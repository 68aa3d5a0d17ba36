import * as runtime from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { ImageEvent, StepEvent } from '../../../src/backends/backend.js';
import { ModelRunner } from '../../../src/backends/onnxruntime/model-runner.js';
import type { Runtime } from '../../../src/backends/onnxruntime/port.js';
import { describeModel } from '../../../src/model/layout.js';
import { fixture, tinyJob } from '../../contract/tiny-jobs.js';

/** onnxruntime, with `afterRun` called for each graph that ran, by the part of the model. */
function watched(afterRun: (part: string) => void): Runtime {
  const create = async (path: string, options: runtime.InferenceSession.SessionOptions) => {
    const session = await runtime.InferenceSession.create(path, options);
    const part = path.split('/').at(-2) as string;
    const run = async (...values: Parameters<typeof session.run>) => {
      const results = await session.run(...values);
      afterRun(part);
      return results;
    };
    return { run };
  };
  return { ...runtime, InferenceSession: { create } } as unknown as Runtime;
}

async function load(afterRun: (part: string) => void) {
  const model = await describeModel(fixture('tiny'));
  const runner = await ModelRunner.load(watched(afterRun), model, 1, async () => {});
  return { model, runner };
}

describe('a model runner', () => {
  it('runs the denoiser once a step, with guidance or without, and the decoder once an image', async () => {
    const parts: string[] = [];
    const { model, runner } = await load((part) => parts.push(part));
    const count = async (guidanceScale: number) => {
      parts.length = 0;
      const job = tinyJob(model, { steps: 3, seeds: [1, 2], guidanceScale });
      await runner.run(job, null, new AbortController().signal);
      return ['text_encoder', 'unet', 'vae_decoder'].map((part) => parts.filter((each) => each === part).length);
    };
    expect(await count(5)).toEqual([2, 6, 2]);
    // The prompt is known by now.
    expect(await count(1)).toEqual([0, 6, 2]);
  });

  it('starts no step after an abort that arrived, as messages do, while the runtime held the event loop', async () => {
    const controller = new AbortController();
    let steps = 0;
    const { model, runner } = await load((part) => {
      if (part !== 'unet' || ++steps !== 3) return;
      setImmediate(() => controller.abort());
    });
    const job = tinyJob(model, { steps: 10 });
    await expect(runner.run(job, null, controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(steps).toBe(3);
  });

  it('decodes nothing more after an abort at the last step', async () => {
    const parts: string[] = [];
    const controller = new AbortController();
    const { model, runner } = await load((part) => parts.push(part));
    const onEvent = (event: object) => 'step' in event && event.step === 3 && controller.abort('late');
    await expect(runner.run(tinyJob(model, { steps: 3 }), onEvent, controller.signal)).rejects.toBe('late');
    expect(parts).not.toContain('vae_decoder');
  });

  it('tells each step once, and each image after its last one', async () => {
    const { model, runner } = await load(() => {});
    const told: string[] = [];
    const onEvent = (event: StepEvent | ImageEvent) =>
      told.push(`${event.image}: ${'raster' in event ? 'done' : `${event.step}${event.preview ? ' shown' : ''}`}`);
    const job = tinyJob(model, { steps: 3, seeds: [1, 2], previewEvery: 2 });
    await runner.run(job, onEvent, new AbortController().signal);
    expect(told).toEqual([0, 1].flatMap((image) => ['1', '2 shown', '3', 'done'].map((what) => `${image}: ${what}`)));
  });

  it('decodes no preview where nobody watches', async () => {
    const parts: string[] = [];
    const { model, runner } = await load((part) => parts.push(part));
    const job = tinyJob(model, { steps: 3, previewEvery: 1 });
    await runner.run(job, null, new AbortController().signal);
    expect(parts.filter((part) => part === 'vae_decoder')).toHaveLength(1);
  });

  it('names each file before it is opened', async () => {
    const model = await describeModel(fixture('tiny'));
    const opened: string[] = [];
    await ModelRunner.load(runtime as unknown as Runtime, model, 1, async (path) => void opened.push(path));
    expect(opened).toEqual([model.textEncoder.path, model.unet.path, model.vaeDecoder.path]);
  });
});

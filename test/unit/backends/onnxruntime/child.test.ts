import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { onnxruntime } from '../../../../src/backends/onnxruntime/onnxruntime.js';
import { onnxruntimeReference } from '../../../../src/backends/onnxruntime/reference.js';
import { T2IError } from '../../../../src/errors.js';
import type { ModelDescription } from '../../../../src/model/description.js';
import { children, lastChild, nextChildrenServe } from '../process/fake-child.js';

vi.mock(import('node:child_process'), async (original) => {
  const { forkFake } = await import('../process/fake-child.js');
  return { ...(await original()), fork: forkFake as never };
});

const model = { name: 'a model' } as ModelDescription;
const unavailable = new T2IError('BACKEND_FAILED', 'broken');
const gone = () => children.map(({ connected }) => !connected);

beforeEach(() => {
  children.length = 0;
  nextChildrenServe({});
});

describe('the probe of the CPU', () => {
  it('names the runtime where its process starts, and leaves no process', async () => {
    const { signal } = new AbortController();
    expect(await onnxruntime.probe({ signal })).toEqual({
      available: true,
      detail: expect.stringMatching(/^onnxruntime-node \d.* on the CPU$/),
    });
    expect([gone(), getEventListeners(signal, 'abort')]).toEqual([[true], []]);
  });

  it('says why and what helps where it does not', async () => {
    nextChildrenServe(null);
    const probe = onnxruntime.probe();
    lastChild().say({ type: 'unavailable', reason: 'no such library' });
    expect(await probe).toEqual({
      available: false,
      reason: 'onnxruntime-node cannot be loaded: no such library',
      hint: expect.stringContaining('npm run build'),
    });
    expect(gone()).toEqual([true]);
  });

  it('ends with its signal, and the process with it', async () => {
    nextChildrenServe(null);
    const controller = new AbortController();
    const probe = onnxruntime.probe({ signal: controller.signal });
    controller.abort('no more');
    await expect(probe).rejects.toBe('no more');
    expect(gone()).toEqual([true]);
  });
});

describe('the session of the CPU', () => {
  it('opens the model with as many threads as it was told', async () => {
    const loads: unknown[] = [];
    nextChildrenServe({ load: async (value) => loads.push(value) });
    await onnxruntime.open(model, { threads: 3 });
    await onnxruntime.open(model);
    expect(loads).toEqual([
      { model, threads: 3 },
      { model, threads: undefined },
    ]);
  });

  it('gives large tensors back to the system', async () => {
    nextChildrenServe({ load: async () => {} });
    await onnxruntime.open(model);
    expect(lastChild().started.env?.GLIBC_TUNABLES).toMatch(/^glibc\.malloc\.hugetlb=1:.*mmap_threshold=4194304/);
  });

  it('is not opened any more once its signal aborts', async () => {
    nextChildrenServe({ load: () => new Promise(() => {}) });
    const controller = new AbortController();
    const opening = onnxruntime.open(model, { signal: controller.signal });
    await setImmediate();
    controller.abort('no more');
    await expect(opening).rejects.toBe('no more');
    expect(gone()).toEqual([true]);
  });
});

describe('the reference for engines', () => {
  const { signal } = new AbortController();

  it('runs a network in a process of its own, which is gone afterwards', async () => {
    const asked: unknown[] = [];
    const output = { out: { shape: [1], data: Float32Array.of(2) } };
    nextChildrenServe({ runNetwork: async (request) => asked.push(request) && output });
    const inputs = { x: { shape: [1], data: Float32Array.of(1) } };
    for (let run = 0; run < 2; run++)
      expect(await onnxruntimeReference.run(model, 'unet', inputs, signal)).toEqual(output);
    expect(asked).toEqual([1, 2].map(() => ({ model, network: 'unet', inputs })));
    expect(gone()).toEqual([true, true]);
  });

  it('ends with its process when it is aborted', async () => {
    const controller = new AbortController();
    nextChildrenServe({
      runNetwork: (_, { signal: aborted }) =>
        new Promise((_, reject) => {
          aborted.addEventListener('abort', () => reject(aborted.reason));
          controller.abort('enough');
        }),
    });
    await expect(onnxruntimeReference.run(model, 'unet', {}, controller.signal)).rejects.toBe('enough');
    expect(gone()).toEqual([true]);
  });

  it('leaves no process where it fails', async () => {
    nextChildrenServe({ runNetwork: () => Promise.reject(unavailable) });
    await expect(onnxruntimeReference.run(model, 'unet', {}, signal)).rejects.toMatchObject({ code: 'BACKEND_FAILED' });
    expect(gone()).toEqual([true]);
  });
});

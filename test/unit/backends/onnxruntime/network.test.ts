import type { InferenceSession } from 'onnxruntime-common';
import * as common from 'onnxruntime-common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Network } from '../../../../src/backends/onnxruntime/network.js';
import { Port, type Runtime } from '../../../../src/backends/onnxruntime/port.js';

/** A runtime whose every graph is opened and run by these. */
function runtimeOf(
  run: (feeds: object, fetches: object) => Promise<object>,
  create: (path: string, options: InferenceSession.SessionOptions) => void = () => {},
): Runtime {
  const session = { run };
  return {
    ...common,
    InferenceSession: { create: async (...given: Parameters<typeof create>) => create(...given) ?? session },
  } as never;
}

describe('a network', () => {
  it.each([
    [3, { intraOpNumThreads: 3 }],
    [undefined, {}],
  ])('is opened for %s threads, all optimised, and keeps no memory of large images', async (threads, expected) => {
    const create = vi.fn();
    await Network.open(runtimeOf(vi.fn(), create), '/m/unet.onnx', threads);
    expect(create.mock.calls).toEqual([
      [
        '/m/unet.onnx',
        {
          graphOptimizationLevel: 'all',
          executionMode: 'sequential',
          enableCpuMemArena: false,
          logSeverityLevel: 3,
          ...expected,
        },
      ],
    ]);
  });

  it.each([
    ['invalid protobuf', 'MODEL_INVALID', /export or download/],
    ['std::bad_alloc', 'OUT_OF_MEMORY', /smaller image/],
  ])('that cannot be opened for %s is %s', async (reason, code, hint) => {
    const create = () => {
      throw new Error(reason);
    };
    await expect(Network.open(runtimeOf(vi.fn(), create), '/m/unet.onnx', 1)).rejects.toMatchObject({
      code,
      message: `onnxruntime cannot load /m/unet.onnx: ${reason}`,
      hint: expect.stringMatching(hint),
    });
  });

  it.each([
    ['Got invalid dimensions', 'BACKEND_FAILED'],
    ['Failed to allocate memory for requested buffer', 'OUT_OF_MEMORY'],
  ])('that fails by "%s" is %s', async (reason, code) => {
    const network = await Network.open(
      runtimeOf(() => Promise.reject(new Error(reason))),
      'x',
      1,
    );
    await expect(network.run({}, {})).rejects.toMatchObject({ code, message: expect.stringContaining(reason) });
  });

  it('runs on the memory of its ports, and has the runtime make the outputs that have none', async () => {
    const run = vi.fn(async () => ({}));
    const runtime = runtimeOf(run);
    const network = await Network.open(runtime, 'x', 1);
    const [x, y] = ['x', 'y'].map((name) => new Port(runtime, { name, type: 'float32', shape: [1] }, [1]));
    await network.run({ x: x as Port }, { y: y as Port, z: null });
    expect(run.mock.calls).toEqual([[{ x: x?.tensor }, { y: y?.tensor, z: null }]]);
  });

  describe('spends time', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
    afterEach(() => void vi.useRealTimers());

    it('in all its runs, those that fail too, which is told once', async () => {
      let fails = false;
      const run = async () => {
        vi.advanceTimersByTime(20);
        if (fails) throw new Error('broken');
        return {};
      };
      const network = await Network.open(runtimeOf(run), 'x', 1);
      for (let i = 0; i < 2; i++) await network.run({}, {});
      fails = true;
      await network.run({}, {}).catch(() => {});
      expect([network.takeTime(), network.takeTime()]).toEqual([60, 0]);
    });
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pipelines } from '../../../src/ai/pipelines.js';
import { Pipeline } from '../../../src/pipeline.js';

/** Pipelines in the place of real ones, whose loads the test settles. */
function scene() {
  const loads: { model: string | undefined; done(): Promise<void>; fail(error: unknown): void; closed: number }[] = [];
  vi.spyOn(Pipeline, 'load').mockImplementation(({ model } = {}) => {
    const { promise, resolve, reject } = deferred<Pipeline>();
    const load = { model, closed: 0, done: async () => resolve(pipeline), fail: reject };
    const pipeline = { model, close: async () => void load.closed++ } as unknown as Pipeline;
    loads.push(load);
    return promise;
  });
  return { loads, pipelines: new Pipelines({ threads: 1 }) };
}

function deferred<T>() {
  let settle!: { resolve(value: T): void; reject(error: unknown): void };
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

const started = (loads: readonly unknown[], count: number) => vi.waitUntil(() => loads.length === count);

describe('the pipelines of a provider', () => {
  afterEach(() => vi.restoreAllMocks());

  it('are loaded once for each model, however many ask', async () => {
    const { loads, pipelines } = scene();
    const asked = [pipelines.of('a', undefined), pipelines.of('a', undefined), pipelines.of('b', undefined)];
    await started(loads, 2);
    for (const load of loads) await load.done();
    const [first, second, other] = await Promise.all(asked);
    expect(first).toBe(second);
    expect(other).not.toBe(first);
    expect(await pipelines.of('a', undefined)).toBe(first);
    expect(loads.map(({ model }) => model)).toEqual(['a', 'b']);
    expect(Pipeline.load).toHaveBeenCalledWith({ model: 'a', threads: 1 });
  });

  it('go on loading for the others where one that waits is aborted', async () => {
    const { loads, pipelines } = scene();
    const controller = new AbortController();
    const aborted = pipelines.of('a', controller.signal);
    const other = pipelines.of('a', new AbortController().signal);
    controller.abort('enough');
    await expect(aborted).rejects.toBe('enough');
    await started(loads, 1);
    await loads[0]?.done();
    expect(await other).toBeDefined();
    await expect(pipelines.of('a', controller.signal)).rejects.toBe('enough');
  });

  it('are tried again where a load failed', async () => {
    const { loads, pipelines } = scene();
    const failing = pipelines.of('a', undefined);
    await started(loads, 1);
    loads[0]?.fail(new Error('no memory'));
    await expect(failing).rejects.toThrow('no memory');
    const again = pipelines.of('a', undefined);
    await started(loads, 2);
    await loads[1]?.done();
    expect(await again).toBeDefined();
  });

  it('are closed all, also one that is being loaded and one that fails to; asked again, they are loaded again', async () => {
    const { loads, pipelines } = scene();
    const [open, opening, failing] = [
      pipelines.of('a', undefined),
      pipelines.of('b', undefined),
      pipelines.of('c', undefined),
    ];
    await started(loads, 3);
    await loads[0]?.done();
    await open;
    const closing = pipelines.close();
    await loads[1]?.done();
    loads[2]?.fail(new Error('no memory'));
    await Promise.all([closing, opening, pipelines.close(), expect(failing).rejects.toThrow('no memory')]);
    expect(loads.map(({ closed }) => closed)).toEqual([1, 1, 0]);
    void pipelines.of('a', undefined);
    await started(loads, 4);
  });
});

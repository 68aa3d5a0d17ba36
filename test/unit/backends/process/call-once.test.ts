import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { callOnce } from '../../../../src/backends/process/call-once.js';
import type { ProcessKind } from '../../../../src/backends/process/runtime-process.js';
import type { CallContext } from '../../../../src/backends/process/service.js';
import { T2IError } from '../../../../src/errors.js';
import { connectFake } from './connect-fake.js';
import { children, lastChild, nextChildrenServe } from './fake-child.js';

interface ToyService {
  run(value: number): Promise<number>;
}

const KIND: ProcessKind<ToyService> = {
  entry: '/x/child.js',
  runtime: 'toy',
  installHint: 'Get a toy.',
  connect: connectFake,
};
const run = (signal?: AbortSignal) => callOnce(KIND, (child) => child.call('run', 4), signal);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  children.length = 0;
});
afterEach(() => void vi.useRealTimers());

describe('a call of a process of its own', () => {
  it('gives what the method gives, and ends the process', async () => {
    nextChildrenServe({ run: async (value: number) => 2 * value });
    expect(await run()).toBe(8);
    expect([children.length, lastChild().connected, vi.getTimerCount()]).toEqual([1, false, 0]);
  });

  it('throws what the method threw, and ends the process', async () => {
    nextChildrenServe({ run: async () => Promise.reject(new T2IError('OUT_OF_MEMORY', 'too large')) });
    const { signal } = new AbortController();
    await expect(run(signal)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect([lastChild().connected, getEventListeners(signal, 'abort')]).toEqual([false, []]);
  });

  it('throws that the runtime cannot be loaded, and calls nothing', async () => {
    nextChildrenServe(null);
    const call = run();
    lastChild().say({ type: 'unavailable', reason: 'no such library' });
    await expect(call).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect([lastChild().connected, lastChild().sent]).toEqual([false, []]);
  });

  it('that heeds its abort ends with the signal’s reason, and leaves nothing on the signal', async () => {
    const untilAborted = (_: unknown, { signal }: CallContext<unknown>) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    nextChildrenServe({ run: untilAborted });
    const controller = new AbortController();
    const call = run(controller.signal);
    await setImmediate();
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(lastChild().sent.map(({ type }) => type)).toEqual(['call', 'abort']);
    expect([lastChild().connected, getEventListeners(controller.signal, 'abort')]).toEqual([false, []]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('starts none for a signal that is aborted already', async () => {
    await expect(run(AbortSignal.abort('enough'))).rejects.toBe('enough');
    expect(children).toHaveLength(0);
  });

  it('that does not heed its abort ends with the process, three seconds later', async () => {
    nextChildrenServe({ run: () => new Promise(() => {}) });
    const controller = new AbortController();
    const call = run(controller.signal);
    const settled = vi.fn();
    call.then(settled, settled);
    await setImmediate();
    controller.abort('enough');
    vi.advanceTimersByTime(2999);
    await setImmediate();
    expect([lastChild().connected, settled.mock.calls]).toEqual([true, []]);
    vi.advanceTimersByTime(1);
    await expect(call).rejects.toBe('enough');
    expect(lastChild().connected).toBe(false);
  });

  it('is not made where the signal aborts while the runtime is loaded', async () => {
    nextChildrenServe(null);
    const controller = new AbortController();
    const call = run(controller.signal);
    controller.abort('enough');
    lastChild().say({ type: 'ready' });
    await expect(call).rejects.toBe('enough');
    expect(lastChild().sent).toEqual([{ type: 'abort' }]);
  });
});

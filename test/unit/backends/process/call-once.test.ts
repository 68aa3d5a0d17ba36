import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { callOnce } from '../../../../src/backends/process/call-once.js';
import type { ProcessKind } from '../../../../src/backends/process/runtime-process.js';
import { children, lastChild, nextChildrenServe } from './fake-child.js';

vi.mock(import('node:child_process'), async (original) => {
  const { forkFake } = await import('./fake-child.js');
  return { ...(await original()), fork: forkFake as never };
});

interface ToyService {
  run(value: number): Promise<number>;
}

const KIND: ProcessKind<ToyService> = { entry: '/x/child.js', runtime: 'toy', installHint: 'Get a toy.' };
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

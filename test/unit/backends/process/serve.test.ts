import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Reply } from '../../../../src/backends/process/messages.js';
import { serveOn } from '../../../../src/backends/process/serve.js';
import type { CallContext } from '../../../../src/backends/process/service.js';
import { T2IError } from '../../../../src/errors.js';
import { FakeChild, type Methods } from './fake-child.js';

let child: FakeChild;
let replies: Reply[];

/** Starts a child with these methods; replies come as far as they can be given at once. */
async function start(methods: Record<string, (value: never, context: CallContext<unknown>) => unknown>) {
  child.serve(methods as Methods);
  await setImmediate();
}

async function call(method: string, value: unknown = null, watched = false) {
  child.send({ type: 'call', method, value, watched }, () => {});
  await setImmediate();
}

beforeEach(() => {
  child = new FakeChild({ entry: '', argv: [] });
  replies = [];
  child.on('message', (reply) => replies.push(reply));
});
afterEach(() => void vi.restoreAllMocks());

describe('a process that serves', () => {
  it('says that it is ready, then answers calls with what the methods give', async () => {
    await start({ double: async (value: number) => 2 * value, name: async () => 'toy' });
    await call('double', 4);
    await call('name');
    expect(replies).toEqual([{ type: 'ready' }, { type: 'done', result: 8 }, { type: 'done', result: 'toy' }]);
  });

  it('says why it cannot, and leaves', async () => {
    void serveOn(child.inside, () => Promise.reject(new Error('no such library')));
    await setImmediate();
    expect(replies).toEqual([{ type: 'unavailable', reason: 'no such library' }]);
    expect(child.connected).toBe(false);
  });

  it('ends when its caller is gone', async () => {
    await start({});
    const exit = vi.spyOn(child.inside, 'exit');
    child.inside.emit('disconnect');
    expect(exit).toHaveBeenCalledTimes(1);
  });

  it('tells events once each, where somebody watches', async () => {
    await start({ run: async (_: null, { emit }) => [1, 2].map((event) => emit?.(event)).length });
    await call('run', null, true);
    await call('run', null, false);
    const events = [1, 2].map((event) => ({ type: 'event', event }));
    expect(replies.slice(1)).toEqual([...events, { type: 'done', result: 2 }, { type: 'done', result: 2 }]);
  });

  it('has named a file to its caller before it is opened', async () => {
    let told: Reply | undefined;
    await start({
      load: async (_: null, { opening }) => {
        await opening('/m/unet.onnx');
        told = replies.at(-1);
      },
    });
    await call('load');
    expect(told).toEqual({ type: 'opening', path: '/m/unet.onnx' });
  });

  it('hands over a T2IError whole, and anything else with where it was thrown', async () => {
    const issues = [{ option: 'width', expected: '8', received: '7' }];
    const refuse = async () => Promise.reject(new T2IError('OUT_OF_MEMORY', 'too large', { hint: 'Smaller.', issues }));
    const fail = async () => Promise.reject(new TypeError('not a function'));
    await start({ refuse, fail });
    await call('refuse');
    await call('fail');
    expect(replies.slice(1)).toEqual([
      { type: 'failed', code: 'OUT_OF_MEMORY', message: 'too large', hint: 'Smaller.', issues },
      { type: 'failed', code: 'INTERNAL', message: expect.stringMatching(/^TypeError: not a.*\n +at /), issues: [] },
    ]);
  });

  describe('an abort', () => {
    /** A method that goes on until the call is aborted, then ends with what `end` gives. */
    const until = (end: (signal: AbortSignal) => unknown) => ({
      run: (_: null, { signal }: CallContext) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(end(signal)))),
      quick: async (_: null, { signal }: CallContext) => signal.aborted,
    });
    const abort = async () => {
      child.send({ type: 'abort' }, () => {});
      await setImmediate();
    };

    it('ends the call that runs, and not the next one', async () => {
      await start(until((signal) => signal.reason));
      await call('run');
      expect(replies).toHaveLength(1);
      await abort();
      await call('quick');
      expect(replies.slice(1)).toEqual([{ type: 'aborted' }, { type: 'done', result: false }]);
    });

    it('between calls does nothing', async () => {
      await start(until((signal) => signal.reason));
      await call('quick');
      await abort();
      await call('quick');
      expect(replies.slice(1)).toEqual([1, 2].map(() => ({ type: 'done', result: false })));
    });

    it('hides no other failure', async () => {
      await start(until(() => new T2IError('BACKEND_FAILED', 'broken')));
      await call('run');
      await abort();
      expect(replies.at(-1)).toMatchObject({ type: 'failed', code: 'BACKEND_FAILED' });
    });
  });

  it('answers a method that it has not, and says what was thrown where that is no error', async () => {
    await start({
      run: async () => {
        throw null;
      },
    });
    await call('walk');
    await call('run');
    expect(replies.slice(1)).toMatchObject([{ type: 'done' }, { type: 'failed', code: 'INTERNAL', message: 'null' }]);
  });

  it('goes on without a collector of garbage', async () => {
    const own = globalThis.gc;
    globalThis.gc = undefined;
    vi.spyOn(process, 'memoryUsage').mockImplementation((() => ({ arrayBuffers: 2 ** 28 })) as never);
    await start({ run: async () => 'image' });
    await call('run');
    await call('run');
    globalThis.gc = own as never;
    expect(replies).toHaveLength(3);
  });

  it('collects what a large job left behind, after it was answered, and bothers with no small one', async () => {
    const gc = vi.fn(() => expect(replies.at(-1)).toMatchObject({ type: 'done' }));
    const own = globalThis.gc;
    // Assigned: where Node was started with --expose-gc it cannot be defined anew.
    globalThis.gc = gc as never;
    let arrayBuffers = 2 ** 20;
    vi.spyOn(process, 'memoryUsage').mockImplementation((() => ({ arrayBuffers })) as never);
    await start({ run: async () => 'image' });
    await call('run');
    expect(gc).toHaveBeenCalledTimes(0);
    arrayBuffers = 2 ** 28;
    await call('run');
    expect(gc).toHaveBeenCalledTimes(1);
    globalThis.gc = own as never;
  });
});

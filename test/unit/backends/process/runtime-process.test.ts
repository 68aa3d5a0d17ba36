import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RuntimeProcess } from '../../../../src/backends/process/runtime-process.js';
import { type FakeChild, lastChild, nextChildrenServe } from './fake-child.js';
import { TOY_KIND as KIND, type ToyService } from './toy-kind.js';

let crashes: number;
let child: FakeChild;
let runtime: RuntimeProcess<ToyService>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  nextChildrenServe(null);
  crashes = 0;
  runtime = new RuntimeProcess(KIND, () => crashes++);
  child = lastChild();
});
afterEach(() => void vi.useRealTimers());

describe('the end of a child in a call', () => {
  it.each([
    ['SIGSEGV', null, /starts a fresh process/],
    ['SIGABRT', null, /starts a fresh process/],
    ['SIGTERM', null, /starts a fresh process/],
    ['SIGKILL', null, /want of memory/],
    ['exit code 3', 3, /starts a fresh process/],
  ])('by %s fails the call and is a crash, told once', async (how, code, hint) => {
    const call = runtime.call('run', 1);
    child.exit(code, code === null ? how : null);
    await expect(call).rejects.toMatchObject({
      code: 'BACKEND_CRASHED',
      message: `The process that runs toy ended (${how})`,
      hint: expect.stringMatching(hint),
    });
    expect([crashes, runtime.ended]).toEqual([1, true]);
    await expect(runtime.call('run', 1)).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    expect(crashes).toBe(1);
  });

  it.each([
    ['SIGSEGV', 'MODEL_INVALID'],
    ['SIGABRT', 'MODEL_INVALID'],
    // Those who end a process by these know nothing of files.
    ['SIGKILL', 'BACKEND_CRASHED'],
    ['SIGTERM', 'BACKEND_CRASHED'],
  ])('by %s while it opens a file is %s', async (signal, code) => {
    const call = runtime.call('load', 1);
    child.say({ type: 'opening', path: '/m/first.onnx' }, { type: 'opening', path: '/m/unet.onnx' });
    child.exit(null, signal);
    const message = code === 'MODEL_INVALID' ? /^\/m\/unet\.onnx: toy crashed/ : /^The process/;
    await expect(call).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
  });

  it('is not told by an error of a child that goes on', async () => {
    const call = runtime.call('run', 1);
    child.emit('error', new Error('kill EPERM'));
    child.say({ type: 'done', result: 1 });
    expect([await call, runtime.ended, crashes]).toEqual([1, false, 0]);
  });

  it('is not laid at the door of a file that was opened before', async () => {
    const load = runtime.call('load', 1);
    child.say({ type: 'opening', path: '/m/unet.onnx' }, { type: 'done', result: 1 });
    await load;
    const run = runtime.call('run', 1);
    child.exit(null, 'SIGSEGV');
    await expect(run).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
  });

  it('quotes what it last wrote, whole characters even where a chunk ends within one', async () => {
    const call = runtime.call('run', 1);
    const bytes = Buffer.from(`${'x'.repeat(3000)}\nbroken 🍎\n`);
    for (const part of [bytes.subarray(0, -3), bytes.subarray(-3)]) child.stderr.write(part);
    await setImmediate();
    child.exit(null, 'SIGABRT');
    const error = (await call.catch((thrown) => thrown)) as Error;
    expect(error.message).toMatch(/; its last words: x{1989}\nbroken 🍎$/);
  });
});

describe('a call', () => {
  it('is not ended by what the child says before it', async () => {
    child.say({ type: 'ready' }, { type: 'done', result: 0 }, { type: 'aborted' });
    child.say({ type: 'event', event: 0 }, { type: 'unavailable', reason: 'none' });
    child.say({ type: 'failed', code: 'OUT_OF_MEMORY', message: 'too large', hint: 'Smaller.', issues: [] });
    const call = runtime.call('run', 1);
    child.say({ type: 'done', result: 1 });
    expect(await call).toBe(1);
  });

  it('gives what the child answers, and tells events of this call alone', async () => {
    const events: unknown[] = [];
    const first = runtime.call('run', 'a', (event) => events.push(event));
    child.say({ type: 'event', event: 1 }, { type: 'event', event: 2 }, { type: 'done', result: 'b' });
    expect(await first).toBe('b');
    child.say({ type: 'event', event: 3 });
    const second = runtime.call('run', 'c');
    child.say({ type: 'event', event: 4 }, { type: 'done', result: 'd' });
    expect(await second).toBe('d');
    expect(events).toEqual([1, 2]);
    expect(child.sent).toEqual([
      { type: 'call', method: 'run', value: 'a', watched: true },
      { type: 'call', method: 'run', value: 'c', watched: false },
    ]);
  });

  it('throws what the method threw: a T2IError whole, and anything else as a bug', async () => {
    const issues = [{ option: 'width', expected: '8', received: '7' }];
    const failed = runtime.call('run', 1);
    child.say({ type: 'failed', code: 'OUT_OF_MEMORY', message: 'too large', hint: 'Smaller.', issues });
    const whole = { name: 'T2IError', code: 'OUT_OF_MEMORY', message: 'too large', hint: 'Smaller.', issues };
    await expect(failed).rejects.toMatchObject(whole);
    const broken = runtime.call('run', 1);
    child.say({ type: 'failed', code: 'INTERNAL', message: 'TypeError', hint: undefined, issues: [] });
    await expect(broken).rejects.toMatchObject({ name: 'T2IInternalError' });
    expect(crashes).toBe(0);
  });

  it('leaves no timer and no listener on the child behind, however it ends', async () => {
    const names = ['message', 'close', 'error'];
    const listeners = () => names.map((name) => child.listenerCount(name));
    const before = listeners();
    for (let i = 0; i < 20; i++) {
      const call = runtime.call('run', i).catch(() => {});
      if (i % 2) runtime.abort();
      child.say(i % 2 ? { type: 'aborted' } : { type: 'done', result: i });
      await call;
    }
    expect(listeners()).toEqual(before);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an abort', () => {
  const aborts = () => child.sent.filter(({ type }) => type === 'abort').length;

  it('without a call does nothing', () => {
    runtime.abort();
    expect([aborts(), vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('lets the child end the call', async () => {
    const call = runtime.call('run', 1);
    runtime.abort();
    expect(aborts()).toBe(1);
    runtime.abort();
    vi.advanceTimersByTime(2999);
    child.say({ type: 'aborted' });
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    const next = runtime.call('run', 2);
    vi.advanceTimersByTime(10_000);
    expect(child.kills).toEqual([]);
    child.say({ type: 'done', result: 2 });
    expect(await next).toBe(2);
  });

  it('ends a child that goes on for three seconds, counted from the first, which is no crash', async () => {
    const before = runtime.call('run', 0).catch(() => {});
    runtime.abort();
    child.say({ type: 'aborted' });
    await before;
    const call = runtime.call('run', 1);
    runtime.abort();
    vi.advanceTimersByTime(2000);
    runtime.abort();
    vi.advanceTimersByTime(1000);
    expect(child.kills).toEqual(['SIGKILL']);
    await expect(call).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    expect(crashes).toBe(0);
  });

  it('finds a child whose channel is closed, and leaves the end to it', async () => {
    const call = runtime.call('run', 1);
    child.connected = false;
    runtime.abort();
    expect(aborts()).toBe(0);
    child.emit('close', 0, null);
    await expect(call).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('stopping', () => {
  it('a process that is gone, with its channel, is over at once', async () => {
    child.exit(1);
    await setImmediate();
    child.channel = null;
    await runtime.stop();
    runtime.release();
    expect(runtime.ended).toBe(true);
  });

  it('rejects what is under way, resolves when the process is gone, and is no crash', async () => {
    const call = runtime.call('run', 1).catch((error) => error.code);
    const stopped = runtime.stop();
    expect(runtime.ended).toBe(false);
    await stopped;
    expect([runtime.ended, await call, crashes]).toEqual([true, 'BACKEND_CRASHED', 0]);
    await runtime.stop();
  });

  it('keeps the caller’s process alive until the child is gone', async () => {
    runtime.release();
    expect([...child.held]).toEqual([]);
    runtime.hold();
    expect([...child.held].sort()).toEqual(['channel', 'child', 'stderr']);
    runtime.release();
    const stopped = runtime.stop();
    expect(child.held.size).toBe(3);
    await stopped;
  });

  it('by a signal stops at once, whatever is under way, with the signal’s reason', async () => {
    const controller = new AbortController();
    const work = runtime.stoppedBy(controller.signal, () => runtime.ready());
    controller.abort('no more');
    await expect(work).rejects.toBe('no more');
    expect(child.kills).toEqual(['SIGKILL']);
  });

  it('by a signal that aborted before stops before the work', async () => {
    await expect(runtime.stoppedBy(AbortSignal.abort('no'), () => runtime.ready())).rejects.toBe('no');
    expect(runtime.ended).toBe(true);
  });

  it.each([
    ['succeeds', async () => 'done'],
    ['fails', async () => Promise.reject(new Error('broken'))],
  ])('by a signal leaves no listener on it where the work %s', async (_, work) => {
    const { signal } = new AbortController();
    for (let i = 0; i < 20; i++) await runtime.stoppedBy(signal, work).catch(() => {});
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(child.kills).toEqual([]);
  });
});

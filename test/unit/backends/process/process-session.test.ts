import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../../../src/backends/backend.js';
import { T2IError } from '../../../../src/errors.js';
import { children, lastChild, nextChildrenServe } from './fake-child.js';
import { crash, job, RESULT, STEP, ToyScene } from './toy-session.js';

let scene: ToyScene;

beforeEach(() => {
  scene = new ToyScene();
});

describe('a session in a process', () => {
  it('opens the model once, and draws', async () => {
    const session = await scene.open();
    expect(await session.generate(job('draw'))).toEqual(RESULT);
    expect(await session.generate(job('draw'))).toEqual(RESULT);
    expect([scene.loads, scene.checks, children.length]).toEqual([['a model'], 0, 1]);
    expect([session.runtime, session.pid]).toEqual(['toy 1.0', lastChild().pid]);
    expect(session.engines).toBeUndefined();
  });

  it('names the engines that the model runs on', async () => {
    const engines = { textEncoder: 'a', unet: 'b', vaeDecoder: 'c' };
    const precisions = { textEncoder: 'fp16', unet: 'fp16', vaeDecoder: 'bf16' };
    expect(await scene.open({ facts: { engines, precisions } })).toMatchObject({ engines, precisions });
  });

  it('tells each step once, to whoever watches', async () => {
    const session = await scene.open();
    const steps: unknown[] = [];
    await session.generate(job('step'), { onStep: (step) => steps.push(step) });
    await session.generate(job('step'));
    expect(steps).toEqual([STEP]);
  });

  it('is not there where the model cannot be opened, and neither is the process', async () => {
    const refuse = async () => Promise.reject(new T2IError('MODEL_INVALID', 'broken'));
    nextChildrenServe({ load: refuse });
    await expect(scene.open()).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    expect(lastChild().kills).toEqual(['SIGKILL']);
  });

  it('gives up the opening, and the process, with its signal, on which nothing stays', async () => {
    const controller = new AbortController();
    nextChildrenServe({ load: () => new Promise(() => {}) });
    const opening = scene.open({}, controller.signal);
    await setImmediate();
    controller.abort('no more');
    await expect(opening).rejects.toBe('no more');
    expect(lastChild().kills).toEqual(['SIGKILL']);
    nextChildrenServe(scene.service);
    const { signal } = new AbortController();
    await scene.open({}, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('after many jobs of all kinds', () => {
  /** One job of each kind there is, by a signal of the caller's. */
  async function all(session: Session, signal: AbortSignal) {
    await session.generate(job('draw'), { signal });
    await session.generate(job('refuse'), { signal }).catch(() => {});
    await session.generate(job('lose device'), { signal }).catch(() => {});
    const onStep = () => lastChild().exit(null, 'SIGSEGV');
    await session.generate(job('go on'), { signal, onStep }).catch(() => {});
    const throwing = () => {
      throw new Error('mistake of the caller');
    };
    await session.generate(job('go on'), { signal, onStep: throwing }).catch(() => {});
    await session.generate(job('draw'), { signal });
  }

  it('no listener stays on a signal', async () => {
    const session = await scene.open();
    const { signal } = new AbortController();
    for (let i = 0; i < 10; i++) await all(session, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const aborting = new AbortController();
    const onStep = () => aborting.abort('enough');
    await session.generate(job('go on'), { signal: aborting.signal, onStep }).catch(() => {});
    expect(getEventListeners(aborting.signal, 'abort')).toEqual([]);
    const closing = session.generate(job('go on'), { signal }).catch((error) => error.code);
    await session.close();
    expect([await closing, getEventListeners(signal, 'abort')]).toEqual(['CLOSED', []]);
  });

  it('a process that lives has the listeners that it began with', async () => {
    const session = await scene.open();
    const names = ['message', 'close', 'error', 'exit', 'disconnect'];
    const listeners = () => names.map((name) => lastChild().listenerCount(name));
    const before = listeners();
    for (let i = 0; i < 20; i++) {
      await session.generate(job('draw'));
      await session.generate(job('refuse')).catch(() => {});
      const controller = new AbortController();
      const onStep = () => controller.abort();
      await session.generate(job('go on'), { signal: controller.signal, onStep }).catch(() => {});
    }
    expect(children).toHaveLength(1);
    expect(listeners()).toEqual(before);
  });
});

describe('the caller’s process', () => {
  const held = () => lastChild().held.size > 0;

  it('is held while a job runs, and by nothing before and after, however the job ends', async () => {
    const session = await scene.open();
    expect(held()).toBe(false);
    const seen: boolean[] = [];
    const watch = () => seen.push(held());
    await session.generate(job('step'), { onStep: watch });
    expect([seen, held()]).toEqual([[true], false]);
    await session.generate(job('refuse')).catch(() => {});
    expect(held()).toBe(false);
    const controller = new AbortController();
    const onStep = () => controller.abort();
    await session.generate(job('go on'), { signal: controller.signal, onStep }).catch(() => {});
    await session.generate(job('draw'));
    expect(held()).toBe(false);
    await crash(session);
    await session.generate(job('step'), { onStep: watch });
    expect([children.length, seen, held()]).toEqual([2, [true, true], false]);
  });

  it('is held until a closed process is gone', async () => {
    const session = await scene.open();
    const running = session.generate(job('go on')).catch((error) => error.code);
    await setImmediate();
    const closing = session.close();
    expect(await running).toBe('CLOSED');
    await closing;
    expect(held()).toBe(true);
  });
});

describe('closing', () => {
  it('ends what runs, waits and comes later with CLOSED, once', async () => {
    const session = await scene.open();
    const jobs = [1, 2].map(() => session.generate(job('go on')));
    const closing = [session.close(), session.close()];
    jobs.push(session.generate(job('draw')));
    await Promise.all(jobs.map((one) => expect(one).rejects.toMatchObject({ code: 'CLOSED' })));
    await Promise.all(closing);
    expect([children.length, lastChild().kills]).toEqual([1, ['SIGKILL']]);
  });
});

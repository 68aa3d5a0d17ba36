import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../../src/errors.js';
import { children, lastChild, nextChildrenServe } from './fake-child.js';
import { ManualClock } from './manual-clock.js';
import { crash, job, RESULT, ToyScene } from './toy-session.js';

let scene: ToyScene;

beforeEach(() => {
  scene = new ToyScene();
});

describe('a crash', () => {
  it.each([
    ['SIGSEGV', null],
    ['SIGABRT', null],
    ['SIGTERM', null],
    ['SIGKILL', null],
    [null, 3],
  ])('by %s or exit code %s fails the job that runs alone', async (signal, code) => {
    const session = await scene.open();
    const failing = crash(session, signal, code);
    const next = session.generate(job('draw'));
    await failing;
    expect(await next).toEqual(RESULT);
    expect([scene.loads.length, scene.checks, children.length]).toEqual([2, 1, 2]);
    expect(scene.clock.slept).toEqual([]);
  });

  it('again and again makes the next start wait longer, until a job succeeds', async () => {
    const session = await scene.open();
    for (let i = 0; i < 4; i++) await crash(session);
    expect(scene.clock.slept).toEqual([250, 500]);
    await session.generate(job('draw'));
    expect(scene.clock.slept).toEqual([250, 500, 1000]);
    await session.generate(job('draw'));
    for (let i = 0; i < 2; i++) await crash(session);
    await session.generate(job('draw'));
    // None after the first crash, then the first wait again.
    expect(scene.clock.slept).toEqual([250, 500, 1000, 250]);
  });

  it('is not noticed by the next job where none ran', async () => {
    const session = await scene.open();
    lastChild().exit(null, 'SIGSEGV');
    await setImmediate();
    expect(await session.generate(job('draw'))).toEqual(RESULT);
    expect(children).toHaveLength(2);
  });

  it('does not change why a job was aborted', async () => {
    const session = await scene.open();
    const controller = new AbortController();
    const onStep = () => {
      controller.abort('enough');
      lastChild().exit(null, 'SIGKILL');
    };
    await expect(session.generate(job('go on'), { signal: controller.signal, onStep })).rejects.toBe('enough');
    expect(await session.generate(job('draw'))).toEqual(RESULT);
  });

  it('while the model is opened again fails that job, and the next one tries again', async () => {
    const session = await scene.open();
    await crash(session);
    nextChildrenServe({ load: async () => lastChild().exit(null, 'SIGABRT') });
    await expect(session.generate(job('draw'))).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    nextChildrenServe(scene.service);
    expect(await session.generate(job('draw'))).toEqual(RESULT);
    expect(scene.clock.slept).toEqual([250]);
  });

  it('starts nothing where the model is not what it was, until it is again', async () => {
    const refused = new T2IError('MODEL_INVALID', 'changed');
    let changed = true;
    const session = await scene.open({ check: async () => (changed ? Promise.reject(refused) : undefined) });
    await crash(session);
    await expect(session.generate(job('draw'))).rejects.toBe(refused);
    expect(children).toHaveLength(1);
    changed = false;
    expect(await session.generate(job('draw'))).toEqual(RESULT);
  });

  it('keeps the process that opens the model for the next job where the one it was for is given up', async () => {
    const session = await scene.open();
    await crash(session);
    let loaded = (_: unknown) => {};
    nextChildrenServe({ ...scene.service, load: () => new Promise((resolve) => (loaded = resolve)) });
    const controller = new AbortController();
    const hasty = session.generate(job('go on'), { signal: controller.signal });
    const next = session.generate(job('draw'));
    await setImmediate();
    controller.abort('too slow');
    await expect(hasty).rejects.toBe('too slow');
    loaded(null);
    expect(await next).toEqual(RESULT);
    expect(children).toHaveLength(2);
    expect(lastChild().sent.map((sent) => sent.type === 'call' && sent.method)).toEqual(['load', 'run']);
  });

  it('leaves those who give up their reason at once; they are no crashes, and the patient one is served', async () => {
    scene = new ToyScene(new ManualClock(true));
    const session = await scene.open();
    const asleep = () => vi.waitUntil(() => scene.clock.slept.length > 0 && scene.clock.slept.pop());
    for (let i = 0; i < 4; i++) {
      const failing = crash(session);
      if (i > 1) scene.clock.advance((await asleep()) as number);
      await failing;
    }
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController();
      const hasty = session.generate(job('draw'), { signal: controller.signal });
      expect(await asleep()).toBe(1000 - 100 * i);
      scene.clock.advance(100);
      controller.abort('too slow');
      await expect(hasty).rejects.toBe('too slow');
    }
    // Nobody looks at the model for those who are gone.
    expect(scene.checks).toBe(3);
    const patient = session.generate(job('draw'));
    expect(await asleep()).toBe(500);
    expect(children).toHaveLength(4);
    scene.clock.advance(500);
    expect(await patient).toEqual(RESULT);
  });
});

describe('a lost device', () => {
  it('ends the process with the job; a fresh one takes the next, after a wait that grows', async () => {
    const session = await scene.open();
    for (let i = 0; i < 3; i++) {
      await expect(session.generate(job('lose device'))).rejects.toMatchObject({
        code: 'DEVICE_LOST',
        message: 'it fell off the bus',
        hint: expect.stringMatching(/next request starts a fresh process/),
      });
      expect(lastChild().kills).toEqual(['SIGKILL']);
    }
    expect(await session.generate(job('draw'))).toEqual(RESULT);
    expect(children).toHaveLength(4);
    expect(scene.clock.slept).toEqual([250, 500]);
  });
});

describe('closing', () => {
  it('ends a wait for the next start, which does not come', async () => {
    scene = new ToyScene(new ManualClock(true));
    const session = await scene.open();
    for (let i = 0; i < 2; i++) await crash(session);
    const waiting = session.generate(job('draw'));
    await vi.waitUntil(() => scene.clock.slept.length > 0);
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), session.close()]);
    await setImmediate();
    expect(children).toHaveLength(2);
  });

  it('while the model is checked for the next start keeps it from coming', async () => {
    let pass: () => void = () => {};
    const session = await scene.open({ check: () => new Promise((resolve) => (pass = resolve)) });
    await crash(session);
    const waiting = session.generate(job('draw'));
    await setImmediate();
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), session.close()]);
    pass();
    await setImmediate();
    expect(children).toHaveLength(1);
  });

  it('while the model is opened again ends that process', async () => {
    const session = await scene.open();
    await crash(session);
    nextChildrenServe({ load: () => new Promise(() => {}) });
    const waiting = session.generate(job('draw'));
    await setImmediate();
    expect(children).toHaveLength(2);
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), session.close()]);
    expect(lastChild().kills).toEqual(['SIGKILL']);
  });
});

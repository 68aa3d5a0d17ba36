import { afterEach, describe, expect, it, vi } from 'vitest';
import { type OpenRequest, Sessions } from '../../../src/server/a1111/sessions.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const PATH = '/sdapi/v1/txt2img';
const request = { prompt: 'a red apple', steps: 20, seed: 7, width: 16, height: 16 };

afterEach(() => vi.useRealTimers());

describe('the progress of a request', () => {
  it('is told by its images and steps, with the time that is left as far as earlier ones tell', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 1, 3, 4, 5, 6, 789) });
    const [clock, model] = [new FakeClock(), memoryModel('formula')];
    const server = await memoryServer({}, { models: [model], clock });
    const progress = async () => (await server.get('/sdapi/v1/progress')).body;
    const told: unknown[] = [];
    model.onStep = async (steps) => {
      void clock.turn(100);
      // Before the step is counted.
      if (steps === 4 || steps === 20 + 26) told.push(await progress());
    };
    await server.post(PATH, request);
    await server.post(PATH, { ...request, batch_size: 2 });
    const job = { job: 'txt2img', job_timestamp: '20260203040506', skipped: false, interrupted: false };
    expect(told).toEqual([
      {
        ...{ progress: 3 / 20, eta_relative: 0, current_image: null, textinfo: null },
        state: { ...job, job_count: 1, job_no: 0, sampling_step: 3, sampling_steps: 20 },
      },
      {
        ...{ progress: 25 / 40, eta_relative: expect.closeTo(1.4, 5), current_image: null, textinfo: null },
        state: { ...job, job_count: 2, job_no: 1, sampling_step: 5, sampling_steps: 20 },
      },
    ]);
    expect(await progress()).toMatchObject({
      ...{ progress: 0, eta_relative: 0 },
      state: { job: '', job_count: 0, job_timestamp: '0', interrupted: false, sampling_steps: 0 },
    });
  });

  it('is that of the first one which is not done, until it is interrupted', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const state = async () => (await server.get('/sdapi/v1/progress')).body.state;
    const told: { readonly job_count: number; readonly interrupted: boolean }[] = [];
    model.onStep = async (steps) => {
      if (steps === 1 || steps === 21) told.push(await state());
      if (steps === 22) await server.post('/sdapi/v1/interrupt', {});
    };
    const first = server.post(PATH, request);
    await settled();
    const second = server.post(PATH, { ...request, prompt: 'other', batch_size: 3 });
    expect(JSON.parse((await first).body.info)).toMatchObject({ interrupted: false, all_seeds: [7] });
    expect(JSON.parse((await second).body.info)).toMatchObject({ interrupted: true, all_seeds: [] });
    expect(told.map(({ job_count, interrupted }) => [job_count, interrupted])).toEqual([
      [1, false],
      [3, false],
    ]);
    expect(await state()).toMatchObject({ job_count: 0, interrupted: false });
    expect(await server.post('/sdapi/v1/interrupt', {})).toMatchObject({ status: 200, body: {} });
  });
});

describe('the callers of that API', () => {
  it('are those whose requests are open, each alone', () => {
    const sessions = new Sessions();
    const open = (caller: string) => ({ caller, interrupted: false, interrupt: vi.fn() }) as unknown as OpenRequest;
    const [alice, bob, also] = ['alice', 'bob', 'alice'].map(open) as [OpenRequest, OpenRequest, OpenRequest];
    const [remove] = [alice, bob, also].map((each) => sessions.add(each));
    sessions.interrupt('alice');
    expect([alice, bob, also].map(({ interrupted }) => interrupted)).toEqual([true, false, true]);
    expect(bob.interrupt).not.toHaveBeenCalled();
    expect([sessions.current('alice'), sessions.current('bob'), sessions.current('eve')]).toEqual([
      alice,
      bob,
      undefined,
    ]);
    remove?.();
    expect(sessions.current('alice')).toBe(also);
  });

  it('have their models remembered, but for those who chose first of more than a thousand', () => {
    const sessions = new Sessions();
    sessions.choose('first', 'a');
    sessions.choose('second', 'a');
    sessions.choose('first', 'b');
    for (let caller = 0; caller < 998; caller++) sessions.choose(`${caller}`, 'c');
    expect(['first', 'second'].map((caller) => sessions.modelOf(caller))).toEqual(['b', 'a']);
    sessions.choose('last', 'd');
    expect(['first', 'second', '0', 'last'].map((caller) => sessions.modelOf(caller))).toEqual([
      'b',
      undefined,
      'c',
      'd',
    ]);
  });
});

import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { JobResult } from '../../../../src/backends/backend.js';
import type { QueuedJob } from '../../../../src/backends/job-queue.js';
import type { ProcessModel } from '../../../../src/backends/process/process-session.js';
import { T2IError } from '../../../../src/errors.js';
import { children, lastChild } from './fake-child.js';
import { crash, job, RESULT, ToyScene, type ToyService } from './toy-session.js';

let scene: ToyScene;
/** How many jobs ran as one, in order. */
let runs: number[];

beforeEach(() => {
  scene = new ToyScene();
  runs = [];
});

/** A session that runs three jobs as one, in one call: what the child does with the first decides on all, unless `outcome` says more. */
function open(outcome: (index: number) => Promise<JobResult> = async () => RESULT) {
  const run: ProcessModel<ToyService>['run'] = (process, jobs) => {
    runs.push(jobs.length);
    const call = process.call('run', (jobs[0] as QueuedJob).job, (event) => {
      for (const { report } of jobs) report?.(event);
    });
    return jobs.map((_, index) => call.then(() => outcome(index)));
  };
  return scene.open({ takeTogether: (queued, queue) => [queued, ...queue.takeAlong(() => true, 2)], run });
}

const messages = () => lastChild().sent.map((sent) => (sent.type === 'call' ? sent.method : sent.type));
const codes = async (results: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(results)).map((each) => (each.status === 'rejected' ? each.reason.code : 'drawn'));

describe('jobs that run as one in a process', () => {
  it('are those that wait when the turn of the first comes, and leave the others their order', async () => {
    const session = await open();
    const results = [1, 2, 3, 4].map(() => session.generate(job('draw')));
    expect(await codes(results)).toEqual(['drawn', 'drawn', 'drawn', 'drawn']);
    expect([runs, messages()]).toEqual([
      [3, 1],
      ['load', 'run', 'run'],
    ]);
  });

  it('end as each of them does', async () => {
    const session = await open(async (index) => {
      if (index === 1) throw new T2IError('BACKEND_FAILED', 'NaN');
      return RESULT;
    });
    const results = [1, 2, 3].map(() => session.generate(job('draw')));
    expect(await codes(results)).toEqual(['drawn', 'BACKEND_FAILED', 'drawn']);
  });

  it('go on when one is given up; the process ends its call once all are', async () => {
    const session = await open();
    const controllers = [1, 2, 3].map(() => new AbortController());
    const results = controllers.map(({ signal }) => session.generate(job('go on'), { signal }).catch((why) => why));
    await setImmediate();
    for (const i of [0, 2]) controllers[i]?.abort(`enough of ${i}`);
    expect([await results[0], await results[2]]).toEqual(['enough of 0', 'enough of 2']);
    expect(messages()).toEqual(['load', 'run']);
    controllers[1]?.abort('enough of 1');
    expect(await results[1]).toBe('enough of 1');
    expect(messages()).toEqual(['load', 'run', 'abort']);
    expect(await codes([session.generate(job('draw'))])).toEqual(['drawn']);
  });

  it('are without those that were given up in the turn of their calls', async () => {
    const session = await open();
    const controller = new AbortController();
    const { signal } = controller;
    const results = [{ signal }, {}, { signal }, {}].map((control) => session.generate(job('draw'), control));
    controller.abort({ code: 'gone' });
    expect(await codes(results)).toEqual(['gone', 'drawn', 'gone', 'drawn']);
    expect(runs).toEqual([2]);
  });

  it('are all failed by a crash, which is one; those that wait behind them are not', async () => {
    const session = await open();
    const crashing = { onStep: () => lastChild().exit(null, 'SIGSEGV') };
    const results = [crashing, {}, {}, {}].map((control, i) =>
      session.generate(job(i < 3 ? 'go on' : 'draw'), control),
    );
    expect(await codes(results)).toEqual(['BACKEND_CRASHED', 'BACKEND_CRASHED', 'BACKEND_CRASHED', 'drawn']);
    expect([children.length, scene.clock.slept]).toEqual([2, []]);
  });

  it('count as drawn where one of them is: a crash behind them is the first again', async () => {
    const session = await open(async (index) => {
      if (index === 1) throw new T2IError('BACKEND_FAILED', 'NaN');
      return RESULT;
    });
    await crash(session);
    expect(await codes([1, 2].map(() => session.generate(job('draw'))))).toEqual(['drawn', 'BACKEND_FAILED']);
    await crash(session);
    expect(await codes([session.generate(job('draw'))])).toEqual(['drawn']);
    expect([children.length, scene.clock.slept]).toEqual([3, []]);
  });

  it('are ended each as it does where one loses the device, and the process after them', async () => {
    const session = await open(async (index) => {
      if (index === 1) throw new T2IError('DEVICE_LOST', 'it fell off the bus');
      return RESULT;
    });
    const results = [1, 2].map(() => session.generate(job('draw')));
    expect(await codes(results)).toEqual(['drawn', 'DEVICE_LOST']);
    await expect(results[1]).rejects.toMatchObject({ hint: expect.stringMatching(/next request starts a fresh/) });
    expect(lastChild().kills).toEqual(['SIGKILL']);
    expect(await codes([session.generate(job('draw'))])).toEqual(['drawn']);
    expect([children.length, scene.clock.slept]).toEqual([2, []]);
  });

  it('are ended with CLOSED', async () => {
    const session = await open();
    const results = [1, 2, 3, 4].map(() => session.generate(job('go on')));
    await setImmediate();
    await session.close();
    expect(await codes(results)).toEqual(['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED']);
  });
});

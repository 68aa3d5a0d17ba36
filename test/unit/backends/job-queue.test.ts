import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ImageEvent, Job, JobResult, StepEvent } from '../../../src/backends/backend.js';
import { JobQueue, QueuedJob } from '../../../src/backends/job-queue.js';
import { collectGarbage } from '../../support/garbage.js';

const job = (...seeds: number[]) => ({ seeds }) as unknown as Job;
const RESULT = { images: [] } as unknown as JobResult;

/** A queue whose jobs run until the test says so. */
function scene() {
  const started: QueuedJob[] = [];
  const gates: (() => void)[] = [];
  const queue = new JobQueue((queued) => {
    started.push(queued);
    return new Promise<void>((resolve) => gates.push(resolve));
  });
  const end = async (result: JobResult | null = RESULT) => {
    if (result) started.at(-1)?.resolve(result);
    gates.at(-1)?.();
    await setImmediate();
  };
  return { queue, end, seeds: () => started.flatMap(({ job }) => job.seeds), running: () => started.at(-1) };
}

describe('a job', () => {
  it('tells that it is settled once, whoever settles it again', async () => {
    let told = 0;
    const queued = new QueuedJob(job(1), {}, () => told++);
    queued.resolve(RESULT);
    queued.resolve(RESULT);
    queued.reject(new Error('too late'));
    expect(told).toBe(1);
    expect(await queued.result).toBe(RESULT);
  });
});

describe('a job that is repeated', () => {
  const step = (image: number, number: number) => ({ image, step: number, steps: 3 }) as StepEvent;
  const image = (index: number) => ({ image: index, raster: {} }) as ImageEvent;

  it('tells each step and each image once', () => {
    const told: unknown[] = [];
    const onStep = (event: StepEvent) => void told.push([event.image, event.step]);
    const queued = new QueuedJob(job(1, 2), { onStep, onImage: (event) => void told.push(event.image) }, () => {});
    const run = (to: number) => {
      for (const index of [0, 1]) for (let number = 1; number <= to; number++) queued.report?.(step(index, number));
    };
    run(1);
    run(2);
    expect(told).toEqual([
      [0, 1],
      [1, 1],
      [0, 2],
      [1, 2],
    ]);
    queued.report?.(image(0));
    run(3);
    queued.report?.(image(0));
    expect(told.slice(4)).toEqual([0, [1, 3]]);
  });
});

describe('jobs that run along with another', () => {
  it('are in the queue when it runs, where they were asked for in the same turn', async () => {
    const along: number[] = [];
    const queue = new JobQueue(async (first) => {
      const jobs = [first, ...queue.takeAlong(() => true, 8)];
      along.push(jobs.length);
      for (const each of jobs) each.resolve(RESULT);
    });
    await Promise.all([1, 2, 3].map((seed) => queue.add(job(seed), {})));
    await Promise.all([1, 2].map((seed) => queue.add(job(seed), {})));
    expect(along).toEqual([3, 2]);
  });

  it('leave the queue in the order of their calls, as many as there is room for', async () => {
    const { queue, end, seeds } = scene();
    const results = [job(1), job(2, 3), job(4), job(5, 6), job(7), job(8)].map((each) => queue.add(each, {}));
    await setImmediate();
    const taken = queue.takeAlong((each) => !each.seeds.includes(4), 3);
    expect(taken.map((each) => each.job.seeds)).toEqual([[2, 3], [7]]);
    for (const each of taken) each.resolve(RESULT);
    for (let left = 0; left < 4; left++) await end();
    expect(seeds()).toEqual([1, 4, 5, 6, 8]);
    expect(await Promise.all(results)).toHaveLength(6);
  });

  it('are none where there is no room, and are asked after only where there is some', async () => {
    const { queue } = scene();
    const asked: number[] = [];
    for (const seed of [1, 2, 3]) void queue.add(job(seed), {});
    await setImmediate();
    const along = ({ seeds: [seed = 0] }: Job) => asked.push(seed) > 0;
    expect(queue.takeAlong(along, 0)).toEqual([]);
    expect(queue.takeAlong(along, 1)).toHaveLength(1);
    expect(asked).toEqual([2]);
  });
});

describe('the queue of a session', () => {
  it('runs one job at a time, in the order of the calls', async () => {
    const { queue, end, seeds } = scene();
    const results = [3, 1, 2].map((seed) => queue.add(job(seed), {}));
    await setImmediate();
    expect(seeds()).toEqual([3]);
    await end();
    expect(seeds()).toEqual([3, 1]);
    await end();
    await end();
    expect(await Promise.all(results)).toEqual([RESULT, RESULT, RESULT]);
    const later = queue.add(job(4), {});
    await setImmediate();
    await end();
    expect(await later).toBe(RESULT);
  });

  it('rejects an aborted job at once: it leaves the queue, or its signal says so where it runs', async () => {
    const { queue, end, seeds, running } = scene();
    const [first, second] = [new AbortController(), new AbortController()];
    const given = [first, second].map(({ signal }, seed) => queue.add(job(seed), { signal }));
    const third = queue.add(job(2), {});
    await setImmediate();
    second.abort('enough');
    await expect(given[1]).rejects.toBe('enough');
    expect(running()?.signal.aborted).toBe(false);
    first.abort('too');
    await expect(given[0]).rejects.toBe('too');
    expect(running()?.signal.reason).toBe('too');
    // The session is busy with it for a while longer.
    expect(seeds()).toEqual([0]);
    await end();
    expect(seeds()).toEqual([0, 2]);
    await end();
    expect(await third).toBe(RESULT);
    await expect(queue.add(job(3), { signal: first.signal })).rejects.toBe('too');
  });

  it('runs none that was given up in the turn of its call', async () => {
    const { queue, end, seeds } = scene();
    const controller = new AbortController();
    const hasty = queue.add(job(1), { signal: controller.signal });
    const next = queue.add(job(2), {});
    controller.abort('enough');
    await expect(hasty).rejects.toBe('enough');
    await setImmediate();
    expect(seeds()).toEqual([2]);
    await end();
    expect(await next).toBe(RESULT);
  });

  it('ends a job with what its listener throws, and tells it of no later step', async () => {
    const { queue, end, running } = scene();
    const steps: number[] = [];
    const onStep = ({ step }: { step: number }) => {
      steps.push(step);
      throw new Error('mistake of the caller');
    };
    const failing = queue.add(job(1), { onStep });
    await setImmediate();
    for (const step of [1, 2]) running()?.report?.({ image: 0, step, steps: 2 });
    await expect(failing).rejects.toThrow('mistake of the caller');
    expect(steps).toEqual([1]);
    await end();
    void queue.add(job(2), {});
    await setImmediate();
    expect(running()?.report).toBeNull();
    await end();
  });

  it('tells steps and images to those who asked for them, and ends the job with what either throws', async () => {
    const { queue, end, running } = scene();
    const raster = { rgb: new Uint8Array(3), width: 1, height: 1 };
    const [step, image] = [
      { image: 0, step: 1, steps: 2 },
      { image: 0, raster, noiseSha256: '' },
    ];
    const told: object[] = [];
    const tell = async () => {
      await setImmediate();
      for (const event of [step, image]) running()?.report?.(event);
    };
    void queue.add(job(1), { onStep: (event) => told.push(event) });
    await tell();
    await end();
    void queue.add(job(2), { onImage: (event) => told.push(event) });
    await tell();
    await end();
    expect(told).toEqual([step, image]);
    const onImage = () => {
      throw new Error('mistake of the caller');
    };
    const failing = queue.add(job(3), { onImage });
    await tell();
    await expect(failing).rejects.toThrow('mistake of the caller');
    expect(running()?.signal.aborted).toBe(true);
    await end();
  });

  it('leaves no listener on the signal, however a job ends', async () => {
    const { queue, end, running } = scene();
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = () => getEventListeners(signal, 'abort').length;
    for (let i = 0; i < 20; i++) {
      const one = queue.add(job(i), { signal }).catch(() => {});
      expect(listeners()).toBe(1);
      await setImmediate();
      if (i % 2) running()?.reject(new Error('broken'));
      await end();
      await one;
      expect(listeners()).toBe(0);
    }
    const waiting = [1, 2, 3].map((seed) => queue.add(job(seed), { signal }).catch((reason) => reason));
    expect(listeners()).toBe(3);
    controller.abort('enough');
    expect(await Promise.all(waiting)).toEqual(['enough', 'enough', 'enough']);
    expect(listeners()).toBe(0);
    await end();
    const closing = new AbortController();
    const last = queue.add(job(4), { signal: closing.signal }).catch(({ code }) => code);
    queue.close();
    expect([await last, getEventListeners(closing.signal, 'abort')]).toEqual(['CLOSED', []]);
    await end();
  });

  it('settles a job once: what comes later changes nothing', async () => {
    const { queue, end, running } = scene();
    const controller = new AbortController();
    const result = queue.add(job(1), { signal: controller.signal });
    await setImmediate();
    running()?.resolve(RESULT);
    running()?.reject(new Error('too late'));
    controller.abort('too late');
    expect(await result).toBe(RESULT);
    expect([running()?.settled, running()?.signal.aborted]).toEqual([true, false]);
    await end(null);
  });

  it('holds nothing of jobs that are over', async () => {
    const queue = new JobQueue(async (queued) => {
      if (queued.job.seeds[0] === 1) throw new Error('broken');
      queued.resolve(RESULT);
    });
    const add = async (seed: number) => {
      const one = job(seed);
      await queue.add(one, {}).catch(() => {});
      return new WeakRef(one);
    };
    const over = await Promise.all([1, 2, 3].map(add));
    // Until the end of the turn what was looked at is held.
    await setImmediate();
    collectGarbage();
    expect(over.map((one) => one.deref())).toEqual([undefined, undefined, undefined]);
    queue.close();
  });

  it('rejects a job whose run fails, and goes on', async () => {
    const queue = new JobQueue(async (queued) => {
      if (queued.job.seeds[0] === 1) throw new Error('broken');
      queued.resolve(RESULT);
    });
    const [failing, next] = [queue.add(job(1), {}), queue.add(job(2), {})];
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe(RESULT);
  });

  it('closed, ends all jobs with CLOSED and takes none', async () => {
    const { queue, end, seeds } = scene();
    const jobs = [1, 2].map((seed) => queue.add(job(seed), {}));
    await setImmediate();
    queue.close();
    queue.close();
    jobs.push(queue.add(job(3), {}));
    const closed = { code: 'CLOSED', hint: expect.any(String) };
    await Promise.all(jobs.map((one) => expect(one).rejects.toMatchObject(closed)));
    await end();
    expect(seeds()).toEqual([1]);
  });
});

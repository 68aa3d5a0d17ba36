import { describe, expect, it, vi } from 'vitest';
import { memoryPipeline } from '../../support/memory-session.js';

const request = { prompt: 'a red apple', steps: 3 };

describe('the queue', () => {
  it('takes as many as may wait behind the one that runs, and says by code that it is full', async () => {
    const { pipeline, session } = memoryPipeline({}, 2);
    const full = {
      code: 'QUEUE_FULL',
      message: '2 requests wait already, the most that maxQueue allows',
      hint: expect.stringContaining('larger maxQueue'),
    };
    const control = new AbortController();
    const taken = [0, 1].map((seed) => pipeline.generate({ ...request, seed }));
    const aborted = pipeline.generate({ ...request, signal: control.signal });
    await expect(pipeline.generate(request)).rejects.toMatchObject(full);
    await expect(pipeline.stream(request).next()).rejects.toMatchObject(full);
    await expect(pipeline.generate({ ...request, steps: 0 })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    expect(session.jobs).toHaveLength(3);
    control.abort('no longer');
    await expect(aborted).rejects.toBe('no longer');
    taken.push(pipeline.generate({ ...request, seed: 2 }));
    await expect(pipeline.generate(request)).rejects.toMatchObject(full);
    expect((await Promise.all(taken)).map(({ images }) => images[0]?.seed)).toEqual([0, 1, 2]);
    await pipeline.generate(request);
    for await (const _ of pipeline.stream(request)) break;
    await pipeline.generate(request);
  });

  it('may have no room at all: then one request runs at a time', async () => {
    const { pipeline } = memoryPipeline({}, 0);
    const first = pipeline.generate(request);
    await expect(pipeline.generate(request)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await first;
    await expect(pipeline.generate({ ...request, prompt: 7 } as never)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    await pipeline.generate(request);
  });

  it('has its place back after every request, however that ended', async () => {
    const { pipeline, session } = memoryPipeline({}, 0);
    const throwing = () => {
      throw new Error('mistake of the caller');
    };
    const control = new AbortController();
    const ways = [
      () => pipeline.generate({ ...request, onStep: throwing }),
      () => pipeline.generate({ ...request, signal: control.signal, onStep: () => control.abort('enough') }),
      () => pipeline.generate({ ...request, steps: 0 }),
      () => pipeline.generate({ ...request, signal: AbortSignal.abort('before') }),
      () => {
        vi.spyOn(session, 'generate').mockRejectedValueOnce(new Error('crashed'));
        return pipeline.generate(request);
      },
      async () => {
        for await (const _ of pipeline.stream({ ...request, onStep: throwing }));
      },
    ];
    for (const way of ways) {
      await expect(way()).rejects.toBeDefined();
      await pipeline.generate(request);
    }
  });

  it('holds no noise: 100 requests that need 250 MB each wait in little memory', async () => {
    const { pipeline } = memoryPipeline();
    const before = process.memoryUsage().arrayBuffers;
    const waiting = Array.from({ length: 100 }, (_, seed) =>
      pipeline.generate({ prompt: 'x', seed, sampler: 'ddpm', steps: 1000, width: 512, height: 512 }),
    );
    const outcomes = Promise.allSettled(waiting);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 2 ** 20);
    await pipeline.close();
    await outcomes;
  });
});

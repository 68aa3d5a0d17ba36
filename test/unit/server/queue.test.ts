import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import type { GeneratedImage } from '../../../src/image/generated-image.js';
import { parseRequest, type RequestOptions } from '../../../src/options.js';
import type { QueuedRequest, RequestOrder } from '../../../src/server/queue/queued-request.js';
import { type QueueOptions, RequestQueue } from '../../../src/server/queue/request-queue.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { LIMITS } from '../../support/request-limits.js';

const IMAGE = {} as GeneratedImage;

/** A queue whose batches end when the test says so. */
function queueOf(options: Partial<QueueOptions> = {}) {
  const clock = new FakeClock();
  const batches: (readonly QueuedRequest[])[] = [];
  let end: { resolve(): void; reject(error: unknown): void } | null = null;
  const queue = new RequestQueue({
    ...{ limit: 4, limitPerKey: 4, batchWindow: 0, batchImages: 1, clock },
    run: (batch) => {
      batches.push(batch);
      return new Promise((resolve, reject) => {
        end = { resolve, reject };
      });
    },
    ...options,
  });
  const add = (options: RequestOptions, order: Partial<RequestOrder> = {}) => {
    const request = parseRequest({ seed: 1, ...options }, LIMITS);
    return queue.add({ key: 'a', model: 'm', api: 'test', timeout: 60_000, request, ...order });
  };
  return {
    ...{ queue, clock, batches, add },
    prompts: () => batches.map((batch) => batch.map(({ request }) => request.prompt).join('+')),
    /** Completes the batch that runs. */
    async finish() {
      for (const each of batches.at(-1) ?? []) {
        for (const index of each.request.seeds.keys()) each.image(index, IMAGE);
      }
      end?.resolve();
      await settled();
    },
    async crash(error: unknown = new T2IError('BACKEND_CRASHED', 'gone')) {
      end?.reject(error);
      await settled();
    },
  };
}

describe('the order', () => {
  it('is that of the calls for one caller, and callers take turns', async () => {
    const { add, prompts, finish } = queueOf({ limit: 10 });
    for (const prompt of ['a1', 'a2', 'a3']) add({ prompt });
    for (const prompt of ['b1', 'b2']) add({ prompt }, { key: 'b' });
    add({ prompt: 'c1' }, { key: 'c' });
    await settled();
    for (let index = 0; index < 6; index++) await finish();
    expect(prompts()).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('is told as a position, and as a time once one request has taken its time', async () => {
    const { add, queue, clock, finish } = queueOf();
    const first = add({ prompt: 'x', steps: 10 });
    await settled();
    expect(queue.eta(first)).toBeNull();
    clock.turn(2000);
    await finish();
    const [running, next, last] = [
      add({ prompt: 'x', steps: 10 }),
      add({ prompt: 'y', steps: 20 }),
      add({ prompt: 'z' }),
    ];
    await settled();
    expect([running, next, last].map((each) => queue.position(each))).toEqual([0, 0, 1]);
    expect(queue.eta(next)).toBe(6000);
    await clock.turn(500);
    expect([queue.eta(running), queue.eta(next)]).toEqual([1500, 5500]);
    expect(queue.length).toBe(2);
  });
});

describe('a full queue', () => {
  it('refuses one more with the time after which there may be room', async () => {
    const { add, finish, clock } = queueOf({ limit: 2 });
    add({ prompt: 'x', steps: 10 });
    await settled();
    await clock.turn(7000);
    await finish();
    for (const prompt of ['running', 'waits', 'waits too']) {
      add({ prompt, steps: 10 });
      await settled();
    }
    expect(() => add({ prompt: 'one more' })).toThrowError(
      expect.objectContaining({ status: 429, code: 'queue_full', retryAfter: 14 }),
    );
  });

  it('keeps room for others where one caller has its share', async () => {
    const { add } = queueOf({ limit: 4, limitPerKey: 2 });
    add({ prompt: 'running' });
    await settled();
    for (const prompt of ['1', '2']) add({ prompt });
    expect(() => add({ prompt: '3' })).toThrowError(expect.objectContaining({ status: 429 }));
    expect(add({ prompt: '1' }, { key: 'b' }).state).toBe('queued');
  });

  it('has room again for whoever comes after one that left', async () => {
    const { add } = queueOf({ limit: 1 });
    add({ prompt: 'running' });
    await settled();
    const leave = new AbortController();
    const left = add({ prompt: 'leaves' }, { signal: leave.signal });
    leave.abort(new Error('left'));
    await expect(left.result).rejects.toThrow('left');
    expect(add({ prompt: 'next' }).state).toBe('queued');
  });
});

describe('a batch', () => {
  it('has all that wait and are alike but for their seeds, as many images as are made together', async () => {
    const { add, prompts, finish } = queueOf({ limit: 20, batchImages: 4 });
    add({ prompt: 'first' });
    await settled();
    add({ prompt: 'x', n: 2 });
    add({ prompt: 'y' });
    add({ prompt: 'x', n: 2 }, { key: 'b' });
    add({ prompt: 'x' }, { key: 'b' });
    add({ prompt: 'x', steps: 2 });
    add({ prompt: 'x' }, { model: 'other' });
    for (let index = 0; index < 6; index++) await finish();
    expect(prompts()).toEqual(['first', 'x+x', 'x', 'y', 'x', 'x']);
  });

  it('may be of one request with more images', async () => {
    const { add, prompts } = queueOf({ batchImages: 2 });
    add({ prompt: 'x', n: 5 });
    await settled();
    expect(prompts()).toEqual(['x']);
  });

  it('is waited for by an idle server alone, and no longer than until it is full', async () => {
    const { add, prompts, clock, finish } = queueOf({ batchWindow: 5, batchImages: 2 });
    add({ prompt: 'x' });
    await clock.turn(4);
    expect(prompts()).toEqual([]);
    await clock.turn(1);
    expect(prompts()).toEqual(['x']);
    add({ prompt: 'y' });
    await finish();
    expect(prompts()).toEqual(['x', 'y']);
    await finish();
    add({ prompt: 'z' });
    add({ prompt: 'z' });
    await settled();
    expect(prompts()).toEqual(['x', 'y', 'z+z']);
  });
});

describe('a deadline', () => {
  it('ends what waits and what runs, with 504', async () => {
    const { add, clock, prompts, finish } = queueOf();
    const running = add({ prompt: 'runs' }, { timeout: 3000 });
    const waiting = add({ prompt: 'waits' }, { timeout: 2000 });
    await settled();
    await clock.turn(2000);
    await expect(waiting.result).rejects.toMatchObject({ status: 504, code: 'deadline_exceeded' });
    expect(running.state).toBe('generating');
    await clock.turn(1000);
    await expect(running.result).rejects.toMatchObject({ status: 504 });
    await finish();
    expect(prompts()).toEqual(['runs']);
  });

  it('is forgotten with the request', async () => {
    const { add, clock, finish } = queueOf();
    add({ prompt: 'x' });
    await settled();
    await finish();
    expect(clock.pending).toBe(0);
  });
});

describe('a crash', () => {
  it('is tried once more, each request alone, then told', async () => {
    const { add, prompts, crash, finish } = queueOf({ batchImages: 4 });
    const [first, second] = [add({ prompt: 'x' }), add({ prompt: 'x' })];
    await settled();
    add({ prompt: 'x' });
    await crash();
    expect([first.state, second.state]).toEqual(['generating', 'queued']);
    await finish();
    await expect(first.result).resolves.toHaveLength(1);
    await crash();
    await expect(second.result).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
    expect(prompts()).toEqual(['x+x', 'x', 'x', 'x']);
  });

  it('is not tried again where it is the fault of the request', async () => {
    const { add, prompts, crash } = queueOf();
    const request = add({ prompt: 'x' });
    await settled();
    await crash(new T2IError('OUT_OF_MEMORY', 'too large'));
    await expect(request.result).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(prompts()).toEqual(['x']);
  });
});

describe('the end', () => {
  it('finishes what is here and refuses what comes, with 503', async () => {
    const { add, queue, finish } = queueOf();
    const requests = [add({ prompt: '1' }), add({ prompt: '2' })];
    await settled();
    const drained = queue.drain();
    expect(() => add({ prompt: '3' })).toThrowError(expect.objectContaining({ status: 503, retryAfter: 1 }));
    await finish();
    await finish();
    await drained;
    expect(requests.map(({ state }) => state)).toEqual(['completed', 'completed']);
  });

  it('does not wait for companions any more', async () => {
    const { add, queue, prompts } = queueOf({ batchWindow: 5, batchImages: 2 });
    add({ prompt: 'x' });
    void queue.drain();
    await settled();
    expect(prompts()).toEqual(['x']);
  });

  it('ends all that is here where there is no time', async () => {
    const { add, queue, finish } = queueOf();
    const requests = [add({ prompt: '1' }), add({ prompt: '2' })];
    await settled();
    const closed = queue.close();
    await finish();
    await closed;
    for (const { result } of requests) await expect(result).rejects.toMatchObject({ status: 503 });
  });

  it.each([...Array(12).keys()])('starts again for what comes %i moments after the last one', async (moments) => {
    const { add, finish, prompts } = queueOf();
    add({ prompt: '1' });
    await settled();
    const finished = finish();
    for (let moment = 0; moment < moments; moment++) await null;
    add({ prompt: '2' });
    await finished;
    await settled();
    expect(prompts()).toEqual(['1', '2']);
  });
});

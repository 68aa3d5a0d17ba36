import { describe, expect, it } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import type { GeneratedImage } from '../../../src/image/generated-image.js';
import { settled } from '../../support/fake-clock.js';
import { heldQueue } from '../../support/held-queue.js';

describe('a crash', () => {
  it('is tried once more, each request alone, then told', async () => {
    const { add, prompts, crash, finish } = heldQueue({ batchImages: 4 });
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

  it('is tried again where the GPU was lost, too', async () => {
    const { add, prompts, crash, finish } = heldQueue();
    const request = add({ prompt: 'x' });
    await settled();
    await crash(new T2IError('DEVICE_LOST', 'it fell off the bus'));
    await finish();
    await expect(request.result).resolves.toHaveLength(1);
    expect(prompts()).toEqual(['x', 'x']);
  });

  it('puts back what it ended before all that waits, in the same order, and nothing joins a second try', async () => {
    const { add, batches, crash, finish } = heldQueue({ limit: 10, batchImages: 3 });
    for (const api of ['a1', 'a2']) add({ prompt: 'x' }, { api });
    add({ prompt: 'x' }, { api: 'b1', key: 'b' });
    await settled();
    add({ prompt: 'x' }, { api: 'c1', key: 'c' });
    add({ prompt: 'x' }, { api: 'a3' });
    await crash();
    for (let index = 0; index < 5; index++) await finish();
    const drawn = batches.map((batch) => batch.map(({ api }) => api).join('+'));
    expect(drawn).toEqual(['a1+b1+a2', 'a1', 'b1', 'c1+a3', 'a2']);
  });

  it('does not repeat who left before, and keeps what was told', async () => {
    const { add, prompts, queue, crash, finish } = heldQueue({ batchImages: 4 });
    const leave = new AbortController();
    const told: number[] = [];
    const left = add({ prompt: 'x' }, { signal: leave.signal });
    const stays = add({ prompt: 'x', n: 2 }, { onImage: (index) => told.push(index) });
    await settled();
    stays.image(0, {} as GeneratedImage);
    leave.abort();
    await crash();
    expect([left.state, stays.state, queue.length]).toEqual(['cancelled', 'generating', 0]);
    await finish();
    expect([stays.state, told]).toEqual(['completed', [0, 1]]);
    expect(prompts()).toEqual(['x+x', 'x']);
  });

  it.each(['drain', 'close'] as const)('in the middle of a %s loses nothing and leaves nothing', async (way) => {
    const { add, prompts, queue, clock, crash, finish } = heldQueue();
    const requests = [add({ prompt: '1' }), add({ prompt: '2' })];
    await settled();
    const ended = queue[way]();
    await crash();
    if (way === 'drain') for (const _ of requests) await finish();
    await ended;
    const ends = { drain: [['1', '1', '2'], 'completed'], close: [['1'], 'failed'] };
    expect([prompts(), requests[0]?.state]).toEqual(ends[way]);
    expect(requests[1]?.state).toBe(requests[0]?.state);
    expect([queue.length, queue.running, clock.pending]).toEqual([0, 0, 0]);
  });

  it('is not tried again where it is the fault of the request', async () => {
    const { add, prompts, crash } = heldQueue();
    const request = add({ prompt: 'x' });
    await settled();
    await crash(new T2IError('OUT_OF_MEMORY', 'too large'));
    await expect(request.result).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(prompts()).toEqual(['x']);
  });
});

describe('the end', () => {
  it('finishes what is here and refuses what comes, with 503', async () => {
    const { add, queue, finish } = heldQueue();
    const requests = [add({ prompt: '1' }), add({ prompt: '2' })];
    await settled();
    const drained = queue.drain();
    expect(() => add({ prompt: '3' })).toThrowError(expect.objectContaining({ status: 503, retryAfter: 1 }));
    await finish();
    await finish();
    await drained;
    expect(requests.map(({ state }) => state)).toEqual(['completed', 'completed']);
  });

  it('is there at once where nothing is', async () => {
    const { queue } = heldQueue({ batchWindow: 5 });
    expect(queue.draining).toBe(false);
    await queue.drain();
    await queue.close();
    expect(queue.draining).toBe(true);
  });

  it('refuses what comes after it was closed', async () => {
    const { add, queue } = heldQueue();
    await queue.close();
    expect(() => add({ prompt: 'x' })).toThrowError(expect.objectContaining({ status: 503, code: 'draining' }));
  });

  it('comes where it is closed while it drains, and for both', async () => {
    const { add, queue, clock, prompts, finish } = heldQueue();
    const requests = [add({ prompt: '1' }), add({ prompt: '2' })];
    await settled();
    const ends = [queue.drain(), queue.close(), queue.close()];
    await finish();
    await Promise.all(ends);
    for (const { result } of requests) await expect(result).rejects.toMatchObject({ code: 'draining' });
    expect([prompts(), clock.pending]).toEqual([['1'], 0]);
  });

  it('comes while an idle server waits for companions', async () => {
    const { add, queue, clock, prompts } = heldQueue({ batchWindow: 5, batchImages: 4 });
    const request = add({ prompt: 'x' });
    await queue.close();
    await expect(request.result).rejects.toMatchObject({ code: 'draining' });
    expect([prompts(), clock.pending, queue.length]).toEqual([[], 0, 0]);
  });

  it('does not wait for companions any more', async () => {
    const { add, queue, prompts } = heldQueue({ batchWindow: 5, batchImages: 2 });
    add({ prompt: 'x' });
    void queue.drain();
    await settled();
    expect(prompts()).toEqual(['x']);
  });

  it('ends all that is here where there is no time', async () => {
    const { add, queue, finish } = heldQueue();
    const requests = [add({ prompt: '1' }), add({ prompt: '2' })];
    await settled();
    const closed = queue.close();
    await finish();
    await closed;
    for (const { result } of requests) await expect(result).rejects.toMatchObject({ status: 503 });
  });

  it.each([...Array(12).keys()])('starts again for what comes %i moments after the last one', async (moments) => {
    const { add, finish, prompts } = heldQueue();
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

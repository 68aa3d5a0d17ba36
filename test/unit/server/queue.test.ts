import { describe, expect, it } from 'vitest';
import { settled } from '../../support/fake-clock.js';
import { heldQueue } from '../../support/held-queue.js';

describe('the order', () => {
  it('is that of the calls for one caller, and callers take turns', async () => {
    const { add, prompts, finish } = heldQueue({ limit: 10 });
    for (const prompt of ['a1', 'a2', 'a3']) add({ prompt });
    for (const prompt of ['b1', 'b2']) add({ prompt }, { key: 'b' });
    add({ prompt: 'c1' }, { key: 'c' });
    await settled();
    for (let index = 0; index < 6; index++) await finish();
    expect(prompts()).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('is told as a position, and as a time once one request has taken its time', async () => {
    const { add, queue, clock, finish } = heldQueue();
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

  it('has a place for each that waits, behind those of others whose turn it is, and none for what does not wait', async () => {
    const { add, queue, finish } = heldQueue({ limit: 10 });
    const over = add({ prompt: 'over' });
    await settled();
    await finish();
    const running = add({ prompt: 'runs' });
    await settled();
    const [a1, a2] = [add({ prompt: 'a1' }), add({ prompt: 'a2' })];
    const b1 = add({ prompt: 'b1' }, { key: 'b' });
    expect([over, running, a1, b1, a2].map((each) => queue.position(each))).toEqual([0, 0, 0, 1, 2]);
  });

  it('is told again to whoever asked, when a request starts and when one that waits leaves', async () => {
    const { add, queue, finish } = heldQueue();
    let moves = 0;
    const forget = queue.onMove(() => moves++);
    add({ prompt: 'runs' });
    await settled();
    expect(moves).toBe(1);
    const leave = new AbortController();
    add({ prompt: 'leaves' }, { signal: leave.signal });
    add({ prompt: 'next' });
    leave.abort();
    expect(moves).toBe(2);
    // What is done has no place that others could take.
    await finish();
    expect(moves).toBe(3);
    forget();
    add({ prompt: 'last' });
    await finish();
    expect(moves).toBe(3);
  });

  it('counts as running what is not over of the batch that runs', async () => {
    const { add, queue, finish } = heldQueue({ batchImages: 3 });
    expect(queue.running).toBe(0);
    const leave = new AbortController();
    const options = [{ signal: leave.signal }, {}, {}];
    for (const each of options) add({ prompt: 'x' }, each);
    await settled();
    expect([queue.running, queue.length]).toEqual([3, 0]);
    leave.abort();
    expect(queue.running).toBe(2);
    await finish();
    expect(queue.running).toBe(0);
  });
});

describe('a full queue', () => {
  it('refuses one more with the time after which there may be room', async () => {
    const { add, finish, clock } = heldQueue({ limit: 2 });
    add({ prompt: 'x', steps: 10 });
    await settled();
    await clock.turn(7000);
    await finish();
    for (const prompt of ['running', 'waits', 'waits too']) {
      add({ prompt, steps: 10 });
      await settled();
    }
    expect(() => add({ prompt: 'one more' })).toThrowError(
      expect.objectContaining({ status: 429, code: 'queue_full', retryAfter: 7 }),
    );
  });

  it('says when the first request of a caller that has its share is started, behind those of others', async () => {
    const { add, finish, clock } = heldQueue({ limit: 10, limitPerKey: 2 });
    add({ prompt: 'x', steps: 10 });
    await settled();
    await clock.turn(3000);
    await finish();
    add({ prompt: 'running', steps: 10 });
    await settled();
    for (const prompt of ['b1', 'b2']) add({ prompt, steps: 10 }, { key: 'b' });
    for (const prompt of ['a1', 'a2']) add({ prompt, steps: 10 });
    await clock.turn(1400);
    const refused = (retryAfter: number) => expect.objectContaining({ status: 429, retryAfter });
    expect(() => add({ prompt: 'b3' }, { key: 'b' })).toThrowError(refused(2));
    expect(() => add({ prompt: 'a3' })).toThrowError(refused(5));
  });

  it('says a second where nothing is known, or there is room at any moment', async () => {
    const { add, finish, clock } = heldQueue({ limit: 1 });
    const oneMore = (options: object) => () => add({ prompt: 'one more', ...options });
    const soon = expect.objectContaining({ status: 429, retryAfter: 1 });
    add({ prompt: 'x' });
    await settled();
    add({ prompt: 'x' });
    expect(oneMore({})).toThrowError(soon);
    await clock.turn(500);
    await finish();
    await clock.turn(60_000);
    add({ prompt: 'x' });
    expect(oneMore({})).toThrowError(soon);
  });

  it('keeps room for others where one caller has its share', async () => {
    const { add } = heldQueue({ limit: 4, limitPerKey: 2 });
    add({ prompt: 'running' });
    await settled();
    for (const prompt of ['1', '2']) add({ prompt });
    expect(() => add({ prompt: '3' })).toThrowError(expect.objectContaining({ status: 429 }));
    expect(add({ prompt: '1' }, { key: 'b' }).state).toBe('queued');
  });

  it('has room again for whoever comes after one that left', async () => {
    const { add } = heldQueue({ limit: 1 });
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
    const { add, prompts, finish } = heldQueue({ limit: 20, batchImages: 4 });
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
    const { add, prompts } = heldQueue({ batchImages: 2 });
    add({ prompt: 'x', n: 5 });
    await settled();
    expect(prompts()).toEqual(['x']);
  });

  it('is waited for by an idle server alone, and no longer than until it is full', async () => {
    const { add, prompts, clock, finish } = heldQueue({ batchWindow: 5, batchImages: 2 });
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

describe('the window of an idle server', () => {
  it('goes on where one of several leaves', async () => {
    const { add, prompts, clock } = heldQueue({ batchWindow: 5, batchImages: 4 });
    const leave = new AbortController();
    add({ prompt: 'x' }, { signal: leave.signal });
    add({ prompt: 'y' });
    await clock.turn(3);
    leave.abort();
    await settled();
    expect(prompts()).toEqual([]);
    await clock.turn(2);
    expect(prompts()).toEqual(['y']);
  });

  it('ends where all have left, and whoever comes then has one of its own', async () => {
    const { add, prompts, clock } = heldQueue({ batchWindow: 5, batchImages: 4 });
    const leave = new AbortController();
    add({ prompt: 'leaves' }, { signal: leave.signal });
    await clock.turn(3);
    leave.abort();
    await settled();
    expect(clock.pending).toBe(0);
    add({ prompt: 'x' });
    await clock.turn(4);
    expect(prompts()).toEqual([]);
    await clock.turn(1);
    expect(prompts()).toEqual(['x']);
  });
});

describe('a request whose listener ends another of its batch', () => {
  it('keeps that from starting', async () => {
    const { add, prompts } = heldQueue({ batchImages: 2 });
    const leave = new AbortController();
    const started: string[] = [];
    add(
      { prompt: 'x' },
      {
        onStart: () => {
          started.push('first');
          leave.abort();
        },
      },
    );
    const second = add({ prompt: 'x' }, { signal: leave.signal, onStart: () => started.push('second') });
    await settled();
    expect(prompts()).toEqual(['x+x']);
    expect([started, second.state]).toEqual([['first'], 'cancelled']);
  });
});

describe('a deadline', () => {
  it('ends what waits and what runs, with 504', async () => {
    const { add, clock, prompts, finish } = heldQueue();
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
    const { add, clock, finish } = heldQueue();
    add({ prompt: 'x' });
    await settled();
    await finish();
    expect(clock.pending).toBe(0);
  });
});

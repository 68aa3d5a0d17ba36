import { describe, expect, it } from 'vitest';
import { settled } from '../../support/fake-clock.js';
import { heldQueue } from '../../support/held-queue.js';

describe('the time until a request is done', () => {
  /** A queue that has learnt that ten steps take two seconds. */
  async function learntQueue(options: Parameters<typeof heldQueue>[0] = {}) {
    const held = heldQueue({ limit: 10, ...options });
    const taught = held.add({ prompt: 'teaches', steps: 10 });
    await held.clock.turn(options.batchWindow ?? 0);
    await held.clock.turn(2000);
    await held.finish();
    return { ...held, taught };
  }

  it('counts what runs and all that is before it', async () => {
    const { add, queue } = await learntQueue();
    add({ prompt: 'runs', steps: 10 });
    await settled();
    const [first, second] = [add({ prompt: 'first', steps: 20 }), add({ prompt: 'second', steps: 5 })];
    const other = add({ prompt: 'other', steps: 5 }, { key: 'b' });
    expect([first, other, second].map((each) => queue.eta(each))).toEqual([6000, 7000, 8000]);
  });

  it('is unknown where a model is before it of which nothing was made yet', async () => {
    const { add, queue } = await learntQueue();
    const first = add({ prompt: 'x', steps: 10 });
    const [unknown, behind] = [add({ prompt: 'x' }, { model: 'other' }), add({ prompt: 'y' })];
    expect([first, unknown, behind].map((each) => queue.eta(each))).toEqual([2000, null, null]);
  });

  it('is none for one that is over, whatever runs', async () => {
    const { add, queue, taught } = await learntQueue();
    add({ prompt: 'runs', steps: 10 });
    await settled();
    expect(queue.eta(taught)).toBe(0);
  });

  it('has nothing of what is over already, however long an idle server waited since', async () => {
    const { add, queue, clock } = await learntQueue({ batchWindow: 5 });
    const next = add({ prompt: 'x', steps: 10 });
    expect(queue.eta(next)).toBe(2000);
    await clock.turn(4);
    expect(queue.eta(next)).toBe(2000);
  });

  it('does not grow with the time that it took to open the model', async () => {
    const { add, queue, clock, open, finish } = heldQueue();
    add({ prompt: 'first', steps: 10 });
    await settled();
    await clock.turn(50_000);
    open();
    await clock.turn(2000);
    await finish();
    const next = add({ prompt: 'next', steps: 10 });
    await settled();
    await clock.turn(10_000);
    open();
    expect(queue.eta(next)).toBe(2000);
    await clock.turn(500);
    expect(queue.eta(next)).toBe(1500);
  });

  it('is learnt of all images of a batch', async () => {
    const { add, queue, clock, finish } = heldQueue({ batchImages: 4 });
    for (const n of [1, 3]) add({ prompt: 'x', steps: 10, n });
    await settled();
    await clock.turn(8000);
    await finish();
    expect(queue.eta(add({ prompt: 'y', steps: 10 }))).toBe(2000);
  });

  it('is not learnt of a batch that somebody left, or that failed', async () => {
    const { add, queue, clock, finish, crash } = await learntQueue({ batchImages: 2 });
    const leave = new AbortController();
    for (const signal of [leave.signal, undefined]) add({ prompt: 'x', steps: 10 }, { signal });
    await settled();
    leave.abort();
    await clock.turn(100);
    await finish();
    add({ prompt: 'fails', steps: 10 });
    await clock.turn(100);
    await crash(new Error('broken'));
    expect(queue.eta(add({ prompt: 'y', steps: 10 }))).toBe(2000);
  });
});

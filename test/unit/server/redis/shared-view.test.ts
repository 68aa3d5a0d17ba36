import { describe, expect, it, vi } from 'vitest';
import type { QueueView } from '../../../../src/server/redis/order-store.js';
import { SharedView } from '../../../../src/server/redis/shared-view.js';
import { settled } from '../../../support/fake-clock.js';

const order = (id: string, work: number, queue = 'q') => ({ id, queue, work });
const FULL: QueueView = {
  waiting: [order('a', 3), order('b', 5, 'slow'), order('c', 1, 'unknown')],
  running: [order('r', 10)],
  rates: new Map([
    ['q', 2],
    ['slow', 4],
  ]),
  workers: 2,
};

/** A view that has looked once, at what it is given. */
async function looked(found: QueueView) {
  const view = new SharedView({ look: async () => found });
  await view.look();
  return view;
}

describe('how the shared queue stands', () => {
  it('is empty until it was looked at', () => {
    const view = new SharedView({ look: async () => FULL });
    expect([view.waiting, view.running, view.workers, view.position('a'), view.eta('a')]).toEqual([0, 0, 0, 0, null]);
  });

  it('is how many wait and run, and who draws', async () => {
    const { waiting, running, workers } = await looked(FULL);
    expect([waiting, running, workers]).toEqual([3, 1, 2]);
  });

  it('tells how many are before an order, none before one that does not wait', async () => {
    const view = await looked(FULL);
    expect(['a', 'b', 'c', 'r', 'other', undefined].map((id) => view.position(id))).toEqual([0, 1, 2, 0, 0, 0]);
  });

  it('tells when an order should be done by what runs, what is before it and who draws', async () => {
    const view = await looked(FULL);
    expect([view.eta('r'), view.eta('a'), view.eta('b')]).toEqual([20 / 2, (20 + 6) / 2, (20 + 6 + 20) / 2]);
    expect((await looked({ ...FULL, workers: 1 })).eta('a')).toBe(26);
  });

  it('tells no time where nobody draws, or where no order of a queue was ever drawn', async () => {
    expect((await looked({ ...FULL, workers: 0 })).eta('a')).toBeNull();
    expect((await looked(FULL)).eta('c')).toBeNull();
    expect((await looked({ ...FULL, rates: new Map() })).eta('a')).toBeNull();
  });

  it('stays as it was while Redis is away', async () => {
    const look = vi.fn(async () => FULL);
    const view = new SharedView({ look });
    await view.look();
    look.mockRejectedValueOnce(new Error('away'));
    await view.look();
    expect(view.waiting).toBe(3);
  });

  it('tells at each look those who want to hear, until they do not', async () => {
    const view = new SharedView({ look: async () => FULL });
    const [one, two] = [vi.fn(), vi.fn()];
    const forget = view.onMove(one);
    view.onMove(two);
    await view.look();
    forget();
    await view.look();
    expect([one.mock.calls.length, two.mock.calls.length]).toEqual([1, 2]);
  });

  it('is looked at once at a time, and once more where that is asked meanwhile', async () => {
    const looks: ((view: QueueView) => void)[] = [];
    const view = new SharedView({ look: () => new Promise((resolve) => looks.push(resolve)) });
    const first = view.look();
    const others = [view.look(), view.look()];
    expect(looks).toHaveLength(1);
    looks[0]?.({ ...FULL, workers: 7 });
    await settled();
    expect(looks).toHaveLength(2);
    looks[1]?.(FULL);
    await Promise.all([first, ...others]);
    expect([looks.length, view.workers]).toEqual([2, 2]);
    void view.look();
    expect(looks).toHaveLength(3);
  });
});

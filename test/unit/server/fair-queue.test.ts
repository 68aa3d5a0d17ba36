import { describe, expect, it } from 'vitest';
import { FairQueue } from '../../../src/server/queue/fair-queue.js';

interface Item {
  readonly key: string;
  readonly name: string;
}

/** A queue of items such as `a1`, whose first letter is the key. */
function queueOf(...names: string[]) {
  const queue = new FairQueue<Item>();
  const items = new Map<string, Item>();
  const itemOf = (name: string) => {
    const item = items.get(name) ?? { key: name.charAt(0), name };
    items.set(name, item);
    return item;
  };
  for (const name of names) queue.push(itemOf(name));
  return {
    ...{ queue, itemOf },
    order: () => [...queue.inOrder()].map(({ name }) => name).join(' '),
    takeAll: () => {
      const taken: string[] = [];
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) taken.push(item.name);
      return taken.join(' ');
    },
  };
}

describe('a fair queue', () => {
  it('is empty at first, and gives nothing', () => {
    const { queue, order } = queueOf();
    expect([queue.size, queue.sizeOf('a'), order(), queue.shift()]).toEqual([0, 0, '', undefined]);
  });

  it.each([
    ['first come, first served of one key', ['a1', 'a2', 'a3'], 'a1 a2 a3'],
    ['keys by turns', ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'], 'a1 b1 c1 a2 b2 a3'],
    ['the turn of a key that has most, last', ['a1', 'b1', 'b2', 'b3'], 'a1 b1 b2 b3'],
  ])('tells the order in which it gives: %s', (_, names, expected) => {
    const { order, takeAll, queue } = queueOf(...names);
    expect(order()).toBe(expected);
    expect(queue.size).toBe(names.length);
    expect(takeAll()).toBe(expected);
    expect(queue.size).toBe(0);
  });

  it('gives a key that comes again its turn after the others', () => {
    const { queue, itemOf, takeAll } = queueOf('a1', 'b1', 'b2');
    queue.shift();
    queue.push(itemOf('a2'));
    expect(takeAll()).toBe('b1 a2 b2');
  });

  it('gives next what is put back, its key before all others, and keeps all that waits', () => {
    const { queue, itemOf, order, takeAll } = queueOf('a1', 'a2', 'b1', 'c1', 'c2');
    const taken = queue.shift() as Item;
    queue.unshift(taken);
    expect(order()).toBe('a1 b1 c1 a2 c2');
    // Of a key that has nothing here, too.
    queue.unshift(itemOf('d1'));
    expect([queue.size, queue.sizeOf('a'), queue.sizeOf('d')]).toEqual([6, 2, 1]);
    expect(order()).toBe('d1 a1 b1 c1 a2 c2');
    expect(takeAll()).toBe('d1 a1 b1 c1 a2 c2');
  });

  it('lets go of any that waits, and says whether it did', () => {
    const { queue, itemOf, order } = queueOf('a1', 'a2', 'a3', 'b1');
    expect(queue.remove(itemOf('a2'))).toBe(true);
    expect([queue.size, queue.sizeOf('a'), order()]).toEqual([3, 2, 'a1 b1 a3']);
    expect(queue.remove(itemOf('b1'))).toBe(true);
    expect([queue.size, queue.sizeOf('b'), order()]).toEqual([2, 0, 'a1 a3']);
    for (const gone of ['a2', 'b1', 'c1']) expect(queue.remove(itemOf(gone))).toBe(false);
    expect([queue.size, order()]).toEqual([2, 'a1 a3']);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MergeQueue } from '../../../src/text/merge-queue.js';

type Merge = { rank: number; position: number };
const merge = fc.record({ rank: fc.nat(2 ** 20), position: fc.nat(2 ** 32 - 1) });
const few = fc.record({ rank: fc.nat(3), position: fc.nat(3) });
const byRankThenPosition = (a: Merge, b: Merge) => a.rank - b.rank || a.position - b.position;

describe('the merges that wait', () => {
  it('come lowest rank first, then leftmost, whenever they were put in', () => {
    const steps = fc.array(fc.oneof(merge, few, fc.constant(null)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (given) => {
        const queue = new MergeQueue();
        const waiting: Merge[] = [];
        // Null takes one out; in the end all are.
        for (const step of [...given, ...given.map(() => null)]) {
          if (step !== null) {
            queue.push(step.rank, step.position);
            waiting.push(step);
          } else expect(queue.pop()).toEqual(waiting.sort(byRankThenPosition).shift() ?? null);
        }
      }),
    );
  });
});

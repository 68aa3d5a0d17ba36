import { describe, expect, it } from 'vitest';
import { bestRun, judgeRun } from '../../../../src/ops/promotion/rule.js';
import { modelOf, VALIDATION } from './tiny-runs.js';

const run = (loss: number | null, more: object = {}) => modelOf(1, 'a', { best_val_diffuser_loss: loss, ...more });
const NOT_NUMBERS = [null, Number.NaN, Infinity, -Infinity];

describe('a run', () => {
  it.each(NOT_NUMBERS)('whose loss is %s is never promoted, not even as the first', (loss) => {
    const expected = { kind: 'not-better', reason: 'its loss is not a number' };
    for (const promoted of [null, run(0.5), run(null)]) expect(judgeRun(run(loss), promoted, 0)).toEqual(expected);
  });

  it.each(NOT_NUMBERS)('takes the place of a model whose loss is %s', (loss) => {
    expect(judgeRun(run(0.5), run(loss), 0)).toEqual({ kind: 'better' });
    expect(judgeRun(run(0.5), run(loss), 1)).toEqual({ kind: 'better' });
  });

  it.each([
    ['the first', 0.5, null, 0, true],
    ['lower', 0.4, 0.5, 0, true],
    ['equal', 0.5, 0.5, 0, false],
    ['higher', 0.6, 0.5, 0, false],
    ['0, which is a number', 0, 0.5, 0, true],
    ['lower by less than was asked', 0.375, 0.5, 0.25, false],
    ['lower by just as much as was asked', 0.25, 0.5, 0.25, false],
    ['lower by more than was asked', 0.125, 0.5, 0.25, true],
  ])('that is %s: loss %f after %f with a least difference of %f', (_, loss, old, minDelta, better) => {
    const { kind } = judgeRun(run(loss), old === null ? null : run(old), minDelta);
    expect(kind).toBe(better ? 'better' : 'not-better');
  });

  it('that was measured on something else is not compared, whatever it lacks or has besides', () => {
    const other = { validation: { validation_set: VALIDATION.validation_set, latents: [4, 32, 32], size: 64 } };
    expect(judgeRun(run(0.1, other), run(0.5), 0)).toEqual({
      kind: 'incomparable',
      differences: ['latents: [4,32,32], not [4,16,16]', 'prediction_type: none, not "epsilon"', 'size: 64, not none'],
    });
  });
});

describe('the best of several runs', () => {
  it('has the lowest loss, of those that have a number', () => {
    const [high, low] = [run(0.5), run(0.25)];
    for (const runs of [
      [high, low],
      [low, high],
      [...NOT_NUMBERS.map((loss) => run(loss)), low, high],
    ])
      expect(bestRun(runs)).toBe(low);
  });

  it('is the first where they are equal', () => {
    const [one, other] = [run(0.5), run(0.5)];
    expect(bestRun([one, other])).toBe(one);
  });

  it.each([[[]], [NOT_NUMBERS.map((loss) => run(loss))]])('is none where no loss is a number', (runs) => {
    expect(bestRun(runs)).toBeNull();
  });
});

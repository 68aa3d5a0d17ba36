import { describe, expect, it } from 'vitest';
import {
  type HistoryEntry,
  missingEntry,
  nextVersion,
  rejectedModels,
  replacedBy,
  versionsOf,
  withEntry,
} from '../../../../src/ops/promotion/history.js';
import { modelKey, type PromotedModel } from '../../../../src/ops/promotion/records.js';
import { modelOf } from './tiny-runs.js';

const entry = (action: HistoryEntry['action'], from: number | null, model: PromotedModel): HistoryEntry => {
  return { time: '2020-02-01T00:00:00.000Z', action, from, model };
};
const [A, B, C] = [modelOf(1, 'a'), modelOf(2, 'b'), modelOf(3, 'c')];
const THREE = [entry('promoted', null, A), entry('promoted', 1, B), entry('promoted', 2, C)];
const numbers = (models: readonly PromotedModel[]) => models.map(({ version }) => version);

describe('a new entry of a history', () => {
  it('is of the time that the promotion says, so that it is the same whenever it is written down', () => {
    const [, written] = withEntry({ promoted: A, history: THREE.slice(0, 1) }, 'promoted', B);
    expect(written).toEqual({ time: B.promoted_at, action: 'promoted', from: 1, model: B });
  });

  it('is of now for a rollback, and for a promotion that says no time', () => {
    const before = new Date().toISOString();
    const state = { promoted: null, history: [] };
    for (const [written] of [
      withEntry(state, 'rolled-back', A),
      withEntry(state, 'promoted', modelOf(1, 'a', { promoted_at: null })),
    ]) {
      expect(written).toMatchObject({ from: null });
      expect(written && written.time >= before).toBe(true);
    }
  });
});

describe('what a history lacks', () => {
  it('is nothing where it ends with what is promoted', () => {
    expect(missingEntry(THREE, modelOf(3, 'c', { promoted_at: null }))).toBeNull();
  });

  it.each<[string, readonly HistoryEntry[], PromotedModel, HistoryEntry['action'], number | null]>([
    ['the first promotion', [], A, 'promoted', null],
    ['a promotion of a new model', THREE.slice(0, 2), C, 'promoted', 2],
    ['that an earlier version was brought back', THREE, A, 'found', 3],
    ['that the same number is of another model now', THREE, modelOf(3, 'd'), 'promoted', 3],
    ['that the same model has another number', THREE, modelOf(4, 'c'), 'found', 3],
  ])('may be %s', (_, history, promoted, action, from) => {
    const missing = { time: promoted.promoted_at, action, from, model: promoted };
    expect(missingEntry(history, promoted)).toEqual(missing);
  });
});

describe('the versions of a history', () => {
  it('are each there once, from the oldest on, in whatever order they came', () => {
    const history = [entry('promoted', null, C), entry('found', 3, A), entry('found', 1, B), entry('found', 2, A)];
    expect(numbers(versionsOf(history))).toEqual([1, 2, 3]);
    expect(nextVersion(history)).toBe(4);
    expect(nextVersion([])).toBe(1);
  });

  it('that one replaced are those before it, not those that were gone back from', () => {
    const history = [...THREE, entry('rolled-back', 3, A), entry('promoted', 1, modelOf(4, 'd'))];
    expect(numbers(replacedBy(history, 4))).toEqual([1]);
    expect(numbers(replacedBy(history, 3))).toEqual([2, 1]);
    expect(numbers(replacedBy(history, 1))).toEqual([]);
  });

  it('that one replaced are none where the history does not say', () => {
    expect(replacedBy([], 2)).toEqual([]);
    expect(replacedBy(THREE.slice(1), 2)).toEqual([]);
    // As an entry that was edited may have it.
    expect(replacedBy([entry('promoted', 2, B)], 2)).toEqual([]);
  });
});

describe('models that somebody went back from', () => {
  const rejected = (...history: HistoryEntry[]) => [...rejectedModels(history)];

  it('are left out', () => {
    expect(rejected(...THREE)).toEqual([]);
    expect(rejected(...THREE, entry('rolled-back', 3, B), entry('rolled-back', 2, A))).toEqual([C, B].map(modelKey));
  });

  it('are taken again once somebody promoted one by force, or went back to it', () => {
    const back = entry('rolled-back', 3, B);
    expect(rejected(...THREE, back, entry('promoted', 2, modelOf(4, 'c')))).toEqual([]);
    expect(rejected(...THREE, back, entry('rolled-back', 2, C))).toEqual([modelKey(B)]);
  });

  it('stay out where one is merely found to be there', () => {
    expect(rejected(...THREE, entry('rolled-back', 3, B), entry('found', 2, C))).toEqual([modelKey(C)]);
  });

  it('are none where a rollback took the place of nothing, or of what nobody knows', () => {
    expect(rejected(...THREE, entry('rolled-back', null, B), entry('rolled-back', 9, A))).toEqual([]);
  });
});

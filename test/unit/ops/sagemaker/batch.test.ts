import { describe, expect, it } from 'vitest';
import { batchIssues, batchOf, batchParameters, machinesIssues } from '../../../../src/ops/sagemaker/batch.js';

const batch = (batch_size: number, gradient_accumulation_steps = 1) => ({ batch_size, gradient_accumulation_steps });

describe('a batch', () => {
  it.each<[number, number, string, number, number]>([
    [48, 3, 'ml.g5.12xlarge', 4, 48],
    [48, 3, 'ml.g5.12xlarge', 3, 36],
    [48, 3, 'ml.g5.12xlarge', 8, 96],
    [10, 1, 'ml.g4dn.xlarge', 5, 5],
    [10, 1, 'ml.g4dn.xlarge', 4, 4],
    // Of a machine that is in no table one GPU is counted.
    [6, 2, 'ml.unheard.of', 3, 6],
    [6, 2, 'ml.unheard.of', 2, 4],
  ])('of %i in %i steps is checked for %s, %i times', (size, steps, type, count, parts) => {
    const shared = size % parts === 0;
    const issues = batchIssues(batch(size, steps), { type, count });
    expect(issues.map(({ option, received }) => [option, received])).toEqual(
      shared ? [] : [['training.batch_size', `${size}`]],
    );
    for (const { expected } of issues) {
      expect(expected).toMatch(
        RegExp(`^a multiple of ${parts}, for ${count} x ${parts / count / steps} GPUs and ${steps} `),
      );
    }
    expect(machinesIssues(batch(size, steps), { type, count }, 'instanceCount')).toHaveLength(shared ? 0 : 1);
  });

  it('is read from the parameters of its job', () => {
    expect(batchOf(batchParameters(batch(48, 3)))).toEqual(batch(48, 3));
    expect(batchOf()).toBeUndefined();
    for (const [size, steps] of [
      ['0', '3'],
      ['48', '0'],
      ['x', '3'],
      ['48', ''],
    ])
      expect(batchOf({ t2i_batch_size: `${size}`, t2i_gradient_accumulation_steps: `${steps}` })).toBeUndefined();
  });
});

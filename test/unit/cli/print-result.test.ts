import { describe, expect, it } from 'vitest';
import { tellResult } from '../../../src/cli/print-result.js';
import { fakeIo } from '../../support/fake-io.js';

function told(value: unknown, flags = {}): string {
  const io = fakeIo();
  tellResult(value, { args: [], flags }, io);
  return io.out();
}

describe('what a stage made', () => {
  it('is a table whose names are words', () => {
    expect(told({ best_step: 16, float16ImagePsnr: 62.3412345, note: null, skipped: [] })).toBe(
      [
        'best step           16',
        'float16 image psnr  62.3412',
        'note                none',
        'skipped             none',
        '',
      ].join('\n'),
    );
  });

  it('tells lists and records in lines that can be read', () => {
    const value = {
      errors: [{ option: 'data.train_size', expected: '1 to 3', received: '9' }],
      skipped: [{ file: 'a.png', reason: 'broken' }],
      validation: { items: 4, latents: [4, 8, 8], noise: { steps: 1000, beta_start: 0.00085 } },
    };
    expect(told(value)).toBe(
      [
        'errors      data.train_size: expected 1 to 3, received 9',
        'skipped     file: a.png, reason: broken',
        'validation  items: 4',
        '            latents: 4, 8, 8',
        '            noise: steps 1000, beta_start 0.00085',
        '',
      ].join('\n'),
    );
  });

  it('is the very value with --json', () => {
    expect(JSON.parse(told({ best_step: null }, { json: true }))).toEqual({ best_step: null });
  });
});

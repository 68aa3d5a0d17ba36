import { describe, expect, it } from 'vitest';
import { exceeded, lossyBounds } from '../../../src/verify/tolerance.js';

describe('the bounds of a lossy file', () => {
  const codec = { meanAbs: 2, blockMeanAbs: 5, maxAbs: 30 };

  // floor + share * what the encoding changed: 0.4 + 0.45 * 2 for the mean of a WebP, 0.4 for that of a JPEG; 1 + 5; 8 + 30.
  it.each([
    ['webp', 30, { meanAbs: 1.3, blockMeanAbs: 6, maxAbs: 38 }],
    ['webp', 29, { meanAbs: 0.4, blockMeanAbs: 6, maxAbs: 38 }],
    ['jpeg', 90, { meanAbs: 0.4, blockMeanAbs: 6, maxAbs: 38 }],
    ['jpeg', 1, { meanAbs: 0.4, blockMeanAbs: 6, maxAbs: 38 }],
  ] as const)('grow with what the encoding itself changed: %s of quality %d', (format, quality, expected) => {
    const bounds = lossyBounds(format, quality, codec);
    expect(bounds.meanAbs).toBeCloseTo(expected.meanAbs, 10);
    expect(bounds).toMatchObject({ blockMeanAbs: expected.blockMeanAbs, maxAbs: expected.maxAbs });
  });

  it('have an end', () => {
    const most = { meanAbs: 100, blockMeanAbs: 100, maxAbs: 100 };
    expect(lossyBounds('webp', 90, most)).toEqual({ meanAbs: 1.65, blockMeanAbs: 20, maxAbs: 60 });
    expect(lossyBounds('jpeg', 90, most)).toEqual({ meanAbs: 0.4, blockMeanAbs: 20, maxAbs: 60 });
  });

  it('may be reached, each by itself, and are told where they are exceeded', () => {
    const bounds = { meanAbs: 0.4, blockMeanAbs: 2, maxAbs: 12 };
    expect(exceeded(bounds, bounds)).toEqual([]);
    expect(exceeded({ ...bounds, meanAbs: 0.41 }, bounds)).toEqual(['0.41 levels on average, more than 0.40']);
    expect(exceeded({ ...bounds, blockMeanAbs: 2.5, maxAbs: 13 }, bounds)).toEqual([
      '2.50 levels on average in one block of 8x8 pixels, more than 2.00',
      '13.00 levels in one place, more than 12.00',
    ]);
  });
});

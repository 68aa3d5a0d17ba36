import { describe, expect, it } from 'vitest';
import { comparePixels } from '../../../src/image/compare.js';

/** Grey but for a rectangle from (left, top) up to (right, bottom), which is `levels` brighter. */
function image(
  width: number,
  height: number,
  [left, top, right, bottom]: readonly [number, number, number, number] = [0, 0, 0, 0],
  levels = 0,
) {
  const inside = (x: number, y: number) => x >= left && x < right && y >= top && y < bottom;
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return 100 + (inside(pixel % width, Math.floor(pixel / width)) ? levels : 0);
  });
  return { rgb, width, height };
}

describe('the difference of two images', () => {
  it('is of all channels of all pixels', () => {
    const [a, b] = [image(10, 5), image(10, 5)];
    b.rgb.set([103, 96, 100], 0);
    b.rgb.set([112], 149);
    const difference = comparePixels(a, b);
    // Of 150 values three differ, by 3, 4 and 12.
    expect(difference).toMatchObject({ maxAbs: 12, meanAbs: 19 / 150 });
    expect(difference?.psnr).toBeCloseTo(20 * Math.log10(255 / Math.sqrt((9 + 16 + 144) / 150)), 10);
    expect(comparePixels(b, a)).toEqual(difference);
  });

  // A block is 8x8 pixels and begins at a multiple of 4; what a block has beyond the border counts as equal.
  it.each<[string, [number, number], [number, number, number, number], number]>([
    ['a block at the corner', [32, 32], [0, 0, 8, 8], 1],
    ['a block at a multiple of 4', [32, 32], [4, 12, 12, 20], 1],
    ['a block off it by 1 and 2 pixels', [32, 32], [5, 14, 13, 22], (7 * 6) / 64],
    ['a block off it by 2 pixels, in the middle', [32, 32], [2, 2, 10, 10], (6 * 6) / 64],
    ['more than a block', [32, 32], [3, 3, 30, 30], 1],
    ['the last pixel of a width and a height of no multiple', [13, 9], [12, 8, 13, 9], 1 / 64],
    ['the last columns of a width of no multiple', [13, 9], [8, 0, 13, 8], (5 * 8) / 64],
    ['the first pixel of the next row, and not the last of this', [13, 9], [0, 4, 1, 5], 1 / 64],
    ['all of an image smaller than a block', [3, 2], [0, 0, 3, 2], 6 / 64],
  ])('has the mean of its worst block: %s', (_, [width, height], where, share) => {
    const difference = comparePixels(image(width, height), image(width, height, where, 10));
    expect(difference?.blockMeanAbs).toBeCloseTo(10 * share, 10);
  });

  it('is none where the sizes differ, be it by their order alone', () => {
    expect(comparePixels(image(6, 4), image(4, 6))).toBeNull();
    expect(comparePixels(image(6, 4), image(6, 5))).toBeNull();
    expect(comparePixels(image(6, 4), image(5, 4))).toBeNull();
  });
});

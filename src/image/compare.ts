import type { Pixels } from './encode.js';

/** How far two images of one size are apart, over all channels of all pixels. */
export interface PixelDifference {
  /** Largest difference, 0 to 255. */
  readonly maxAbs: number;
  /** Largest mean difference of a block of 8x8 pixels, 0 to 255; the blocks overlap, one every 4 pixels. */
  readonly blockMeanAbs: number;
  /** Mean difference, 0 to 255. */
  readonly meanAbs: number;
  /** Peak signal-to-noise ratio in decibels, 20 log10(255 / RMSE); Infinity where nothing differs. */
  readonly psnr: number;
}

/** Half a block: blocks begin at its multiples, so that what lies across a border of one lies within another. */
const CELL = 4;

/** Compares two images; null where their sizes differ. */
export function comparePixels(a: Pixels, b: Pixels): PixelDifference | null {
  if (a.width !== b.width || a.height !== b.height) return null;
  const columns = Math.ceil(a.width / CELL);
  const rows = Math.ceil(a.height / CELL);
  const cells = new Float64Array(columns * rows);
  let maxAbs = 0;
  let squares = 0;
  for (let i = 0, y = 0; y < a.height; y++) {
    for (let x = 0; x < a.width; x++) {
      const cell = Math.floor(y / CELL) * columns + Math.floor(x / CELL);
      for (const end = i + 3; i < end; i++) {
        const difference = Math.abs((a.rgb[i] as number) - (b.rgb[i] as number));
        maxAbs = Math.max(maxAbs, difference);
        squares += difference * difference;
        cells[cell] = (cells[cell] as number) + difference;
      }
    }
  }
  const count = a.rgb.length;
  return {
    maxAbs,
    blockMeanAbs: largestBlock(cells, columns, rows) / ((2 * CELL) ** 2 * 3),
    meanAbs: cells.reduce((sum, value) => sum + value, 0) / count,
    psnr: 20 * Math.log10(255 / Math.sqrt(squares / count)),
  };
}

/** Largest sum of two by two neighbouring cells; what lies beyond the image counts as equal. */
function largestBlock(cells: Float64Array, columns: number, rows: number): number {
  const at = (column: number, row: number) =>
    column < columns && row < rows ? (cells[row * columns + column] as number) : 0;
  let largest = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const block = at(column, row) + at(column + 1, row) + at(column, row + 1) + at(column + 1, row + 1);
      largest = Math.max(largest, block);
    }
  }
  return largest;
}

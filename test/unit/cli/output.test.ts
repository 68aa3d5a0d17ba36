import { describe, expect, it } from 'vitest';
import { columns } from '../../../src/cli/output.js';
import { formatAge, formatBytes } from '../../../src/cli/quantities.js';

describe('a table', () => {
  it('has columns as wide as their widest cell, and no space at the ends of lines', () => {
    expect(
      columns(
        ['a', 'bb', 'c'],
        [
          ['xxx', 'y', ''],
          ['', 'z', 'long one'],
        ],
      ),
    ).toBe('a    bb  c\nxxx  y\n     z   long one\n');
  });

  it('is its head alone where there are no rows', () => {
    expect(columns(['a', 'b'], [])).toBe('a  b\n');
  });

  it('shows control characters of others as escapes', () => {
    expect(columns(['a'], [['x\u001b[2J']])).toContain('x\\u{1b}[2J');
  });
});

describe('quantities', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [51 * 2 ** 20, '51 MiB'],
    [1.4 * 2 ** 30, '1.4 GiB'],
    [5000 * 2 ** 40, '5000 TiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [-5, 'just now'],
    [59_000, 'just now'],
    [61_000, '1 min'],
    [59 * 60_000, '59 min'],
    [47 * 3_600_000, '47 h'],
    [48 * 3_600_000, '2 days'],
  ])('%d ms ago is %s', (milliseconds, text) => {
    expect(formatAge(milliseconds)).toBe(text);
  });
});

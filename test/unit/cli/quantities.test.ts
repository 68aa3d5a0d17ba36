import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatDifference,
  formatSeconds,
  parseBytes,
  parseDuration,
} from '../../../src/cli/quantities.js';

describe('a quantity that is shown', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [9, '9 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [9.5 * 1024, '9.5 KiB'],
    [9.94 * 1024, '9.9 KiB'],
    [9.96 * 1024, '10 KiB'],
    [10 * 1024, '10 KiB'],
    [51 * 2 ** 20, '51 MiB'],
    [1.4 * 2 ** 30, '1.4 GiB'],
    [3 * 2 ** 40, '3.0 TiB'],
    [5000 * 2 ** 40, '5000 TiB'],
  ])('is, of %d bytes, %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [-5, 'just now'],
    [59_999, 'just now'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [3_600_000, '1 h'],
    [47 * 3_600_000, '47 h'],
    [48 * 3_600_000, '2 days'],
    [12.9 * 24 * 3_600_000, '12 days'],
  ])('is, of %d ms ago, %s', (milliseconds, text) => {
    expect(formatAge(milliseconds)).toBe(text);
  });

  it.each([
    [0.42, '0.4 s'],
    [9.9, '9.9 s'],
    [9.949, '9.9 s'],
    [9.95, '10 s'],
    [10, '10 s'],
    [12.4, '12 s'],
    [59.4, '59 s'],
    [59.7, '1 min 0 s'],
    [200, '3 min 20 s'],
    [3599.4, '59 min 59 s'],
    [3599.5, '1 h 0 min'],
    [3600, '1 h 0 min'],
    [7500, '2 h 5 min'],
  ])('is, of %d seconds, %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it.each([
    [0, 0, Number.POSITIVE_INFINITY, 'every byte is equal'],
    [1, 0.00004, 92.135, 'largest difference 1 of 255, mean 0.0000, PSNR 92.1 dB'],
    [200, 12.34567, 8, 'largest difference 200 of 255, mean 12.3457, PSNR 8.0 dB'],
  ])('is, of images that are %d, %d and %d dB apart, %s', (largest, mean, psnr, text) => {
    expect(formatDifference(largest, mean, psnr)).toBe(text);
  });
});

describe('a quantity that is typed', () => {
  it.each([
    ['1048576', 2 ** 20],
    ['512B', 512],
    ['2KiB', 2048],
    ['512MiB', 2 ** 29],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['12.25TiB', 12.25 * 2 ** 40],
    ['0.0001KiB', 0],
    ['1.0006KiB', 1025],
    [4096, 4096],
  ])('of bytes as %j is %d, a whole number', (typed, bytes) => {
    expect(parseBytes(typed)).toBe(bytes);
  });

  it.each([
    ['5', 5],
    ['5ms', 5],
    ['90s', 90_000],
    ['1.5 s', 1500],
    ['10min', 600_000],
    ['1h', 3_600_000],
  ])('of time as %j is %d ms', (typed, milliseconds) => {
    expect(parseDuration(typed)).toBe(milliseconds);
  });

  it.each([
    ...['', 'much', 'B', '-1', '+1', '1e3', '.5', '5.', '1.2.3', '0x10', 'x5', '5 5', '5!', '5  GiB', ' 5'],
    ...['5GB', '5gib', '5min', '5toString', undefined, null, true, {}],
  ])('is no number of bytes: %j', (typed) => {
    expect(parseBytes(typed)).toBeNull();
  });

  it.each(['5 m', '5S', '5GiB', 'soon', '1h30min', undefined])('is no time: %j', (typed) => {
    expect(parseDuration(typed)).toBeNull();
  });
});

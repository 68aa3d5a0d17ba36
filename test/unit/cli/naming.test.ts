import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { duplicatePaths, pathOf, readNaming } from '../../../src/cli/generate/naming.js';

const folder = mkdtempSync(join(tmpdir(), 't2i-naming-'));
afterAll(() => rmSync(folder, { recursive: true }));

const apple = { prompt: 'a red apple', seed: 7, index: 2 };
// The first 8 hex digits of: printf 'a red apple' | sha256sum
const HASH = 'c0c74b7a';

function path(output: string | undefined, format?: string): string {
  const naming = readNaming(output, format);
  if ('issues' in naming) throw new Error(JSON.stringify(naming.issues));
  return `${pathOf(naming, apple)} ${naming.format}`;
}

describe('the names of images', () => {
  it.each([
    [undefined, undefined, `${HASH}-7.png png`],
    [undefined, 'jpeg', `${HASH}-7.jpg jpeg`],
    ['apple.png', undefined, 'apple.png png'],
    ['apple.JPG', undefined, 'apple.JPG jpeg'],
    ['a/b.webp', 'webp', 'a/b.webp webp'],
    ['apples/', undefined, `apples/${HASH}-7.png png`],
    ['v1.2/', undefined, `v1.2/${HASH}-7.png png`],
    ['apples', 'webp', `apples/${HASH}-7.webp webp`],
    [folder, undefined, `${folder}/${HASH}-7.png png`],
    ['{index}/{seed}.png', undefined, '2/7.png png'],
    ['{prompt-hash}.png', undefined, `${HASH}.png png`],
    ['apple-{seed}', undefined, 'apple-7.png png'],
    ['v1.2-{seed}.png', undefined, 'v1.2-7.png png'],
    ['-', undefined, '- png'],
    ['/dev/stdout', 'webp', '- webp'],
    ['/dev/null', 'jpeg', '/dev/null jpeg'],
    [`${'x'.repeat(5000)}.png`, undefined, `${'x'.repeat(5000)}.png png`],
  ])('-o %s --format %s is %s', (output, format, expected) => {
    expect(path(output, format)).toBe(expected);
  });

  it.each([
    ['apple.gif', undefined, '--output'],
    ['apple.png', 'webp', '--format'],
    ['apple.png', 'gif', '--format'],
    ['{sed}.png', undefined, '--output'],
    ['a\0.png', undefined, '--output'],
  ])('-o %s --format %s is refused at %s', (output, format, option) => {
    expect(readNaming(output, format)).toEqual({ issues: [expect.objectContaining({ option })] });
  });

  it('are in a folder that is there, whatever its name says', () => {
    mkdirSync(join(folder, 'v1.png'));
    expect(path(join(folder, 'v1.png'))).toBe(`${folder}/v1.png/${HASH}-7.png png`);
  });

  it('names the nearest placeholder and tells all mistakes', () => {
    expect(readNaming('{sed}-{idx}.png', 'gif')).toEqual({
      issues: [
        { option: '--format', expected: 'one of png, jpeg, webp', received: '"gif"' },
        expect.objectContaining({ problem: 'unknown placeholder {sed}; did you mean "seed"?' }),
        expect.objectContaining({ problem: 'unknown placeholder {idx}; did you mean "index"?' }),
      ],
    });
  });

  it('are the same file in another spelling too', () => {
    expect(duplicatePaths(['a.png', './b/../a.png', 'b.png'])).toEqual([
      expect.objectContaining({ received: 'a.png and ./b/../a.png for 2 images' }),
    ]);
    // Standard output is no file.
    expect(duplicatePaths(['-', './-'])).toEqual([]);
    expect(duplicatePaths(['-', '-'])[0]?.expected).toBe('one image where it goes to standard output');
  });

  it('that several images share are told once each, with a way out', () => {
    expect(duplicatePaths(['a.png', 'b.png', 'a.png', 'a.png'])).toEqual([
      { option: '--output', expected: expect.stringContaining('a-{index}.png'), received: 'a.png for 3 images' },
    ]);
  });
});

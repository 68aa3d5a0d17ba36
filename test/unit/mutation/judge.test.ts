import { describe, expect, it } from 'vitest';
import { judge, slice } from '../../mutation/judge.mjs';

const mutant = (status: string, original = 'a < b', replacement = 'a <= b') => ({
  file: 'src/a.ts',
  location: { start: { line: 7 } },
  original,
  replacement,
  status,
});
const equal = { file: 'src/a.ts', original: 'a < b', replacement: 'a <= b', reason: 'a is never b' };

describe('the verdict on a layer', () => {
  it('counts what was killed or hung as seen, and names what was not', () => {
    const mutants = [
      ...['Killed', 'Timeout', 'Survived', 'Ignored', 'CompileError'].map((status) => mutant(status)),
      mutant('NoCoverage', 'x()', ''),
    ];
    const { score, total, lines } = judge(mutants, [], 0);
    expect({ score, total }).toEqual({ score: 50, total: 4 });
    expect(lines).toEqual(['src/a.ts:7 a < b -> a <= b', 'src/a.ts:7 x() ->  (no test runs it)']);
  });

  it('leaves out what is listed as equal', () => {
    expect(judge([mutant('Killed'), mutant('Survived')], [equal], 100)).toEqual({
      score: 100,
      total: 1,
      fell: false,
      lines: [],
      files: { 'src/a.ts': [1, 1] },
    });
  });

  it('counts each file, and those of a layer that were not run as they were before', () => {
    const mutants = [mutant('Killed'), mutant('Survived'), mutant('NoCoverage')];
    const before = { 'src/a.ts': [9, 9], 'src/b.ts': [4, 5] } as const;
    expect(judge(mutants, [], 62.5, before)).toMatchObject({
      files: { 'src/a.ts': [1, 3], 'src/b.ts': [4, 5] },
      score: 62.5,
      total: 8,
      fell: false,
    });
    expect(judge(mutants, [], 62.6, before).fell).toBe(true);
  });

  it('says where the list of equals is out of date', () => {
    const { lines } = judge([mutant('Killed')], [equal, { ...equal, file: 'src/other-layer.ts' }], 0);
    expect(lines).toEqual(['src/a.ts: a < b is listed as equal, and is none of the survivors']);
  });

  it('falls below its floor by a tenth, and is never rounded up to it', () => {
    const mutants = [...Array(1999).fill(mutant('Killed')), mutant('Survived')];
    expect(judge(mutants, [], 99.9)).toMatchObject({ score: 99.9, fell: false });
    expect(judge(mutants, [], 100)).toMatchObject({ fell: true, lines: [expect.anything(), 'fell below 100 %'] });
  });
});

it('the source of a mutant is cut out of one line or several', () => {
  const source = 'one\ntwo three\nfour';
  expect(slice(source, { start: { line: 2, column: 5 }, end: { line: 2, column: 8 } })).toBe('thr');
  expect(slice(source, { start: { line: 1, column: 2 }, end: { line: 3, column: 3 } })).toBe('ne\ntwo three\nfo');
});

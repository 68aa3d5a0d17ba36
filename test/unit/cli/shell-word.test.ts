import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellWord } from '../../../src/cli/shell-word.js';
import { noCommand, skipFor } from '../../support/skip-for.js';

describe('a word of a shell', () => {
  it.each([
    ['flowers', 'flowers'],
    ['./runs/a-1,2:3@x%+=', './runs/a-1,2:3@x%+='],
    ['a red apple', '"a red apple"'],
    ["a girl's hat", `"a girl's hat"`],
    ['', '""'],
    ['~/a', '"~/a"'],
    ['say "hi" to the girl\'s cat', `'say "hi" to the girl'\\''s cat'`],
    ['$HOME', "'$HOME'"],
  ])('%j is written as %s', (text, word) => {
    expect(shellWord(text)).toBe(word);
  });

  it.each(['a', 'a b', "it's", '"', '`id`', '$(id)', '\\', '!!', '*', '', 'a\nb', '~', '-n', '#x', 'ä;&|<>()'])(
    'is read by one as the text that it was: %j',
    skipFor(noCommand('sh')),
    (text) => {
      expect(execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' })).toBe(text);
    },
  );
});

import { describe, expect, it } from 'vitest';
import { table } from '../../src/cli/output.js';
import { printable } from '../../src/printable.js';

describe('printable', () => {
  it('shows what would steer a terminal', () => {
    expect(printable('a\u001b]0;title\u0007b\r\u009bc')).toBe('a\\u{1b}]0;title\\u{7}b\\u{d}\\u{9b}c');
    expect(printable('safe\u202egpj.exe')).toBe('safe\\u{202e}gpj.exe');
  });

  it('leaves line feeds and every other character', () => {
    expect(printable('zwei\nZeilen, 猫 🐈 naïve')).toBe('zwei\nZeilen, 猫 🐈 naïve');
  });

  it('is what tables hold', () => {
    expect(table([['prompt', 'red\u001b[2J\napple']])).toBe('prompt  red\\u{1b}[2J\n        apple\n');
  });
});

import { expect, it } from 'vitest';
import { readToken } from '../../../src/http/token.js';

it('a token is read without the blanks around it, as files and shells leave them', () => {
  expect(readToken('HF_TOKEN', ' hf_a!~\n')).toBe('hf_a!~');
});

it.each([undefined, null, '', ' \t\n'])('%j is no token', (text) => {
  expect(readToken('HF_TOKEN', text)).toBeNull();
});

it.each(['two words', 'a\nb', 'ü', 'a\u0000', 'a\u007f', 'ab“'])(
  'what no header can hold is refused, and not repeated: %j',
  (text) => {
    const issues = [{ option: 'HF_TOKEN', expected: 'a token', received: expect.not.stringContaining(text) }];
    expect(() => readToken('HF_TOKEN', text)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID', issues }));
  },
);

import { describe, expect, it } from 'vitest';
import { T2IError, T2IInternalError } from '../../src/errors.js';

describe('an error of this package', () => {
  it('has what it was made with, and nothing besides', () => {
    const cause = new Error('why');
    const issue = { option: 'steps', expected: 'a number', received: 'none' };
    const whole = new T2IError('OPTION_INVALID', 'bad', { hint: 'do', cause, issues: [issue] });
    expect([whole.code, whole.message, whole.hint, whole.cause, whole.issues]).toEqual([
      'OPTION_INVALID',
      'bad',
      'do',
      cause,
      [issue],
    ]);
    const bare = new T2IError('CLOSED', 'over');
    expect([bare.hint, bare.issues, 'cause' in bare]).toEqual([undefined, [], false]);
  });

  it('is known by its mark, in another copy of the package too, and nothing else is', () => {
    const copy = { [Symbol.for('@t2i/sdk.error')]: true };
    expect([new T2IError('CLOSED', ''), new T2IInternalError(''), copy].map(T2IError.is)).toEqual([true, true, true]);
    const others = [null, undefined, 'error', 3, new Error(''), { [Symbol.for('@t2i/sdk.error')]: 1 }, () => 0];
    expect(others.map(T2IError.is)).toEqual(others.map(() => false));
  });
});

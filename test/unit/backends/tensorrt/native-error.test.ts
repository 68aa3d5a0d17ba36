import { describe, expect, it } from 'vitest';
import { fromNative } from '../../../../src/backends/tensorrt/native-error.js';
import { T2IError } from '../../../../src/errors.js';
import { nativeError } from './scripted-native.js';

describe('what the addon throws', () => {
  it('is an error of this package where it has one of its codes', () => {
    const native = nativeError('OUT_OF_MEMORY', 'no room', 'Ask for less.');
    const error = fromNative(native) as T2IError;
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', message: 'no room', hint: 'Ask for less.', cause: native });
    expect(T2IError.is(error)).toBe(true);
    expect(fromNative(error)).toBe(error);
  });

  it.each([
    [nativeError('EWEIRD', 'odd'), 'odd'],
    [nativeError('toString', 'odd'), 'odd'],
    [new TypeError('odd'), 'odd'],
    ['text', 'text'],
    [7, '7'],
  ])('is a bug where it has none (%#)', (thrown, message) => {
    const error = fromNative(thrown) as T2IError;
    expect(error).toMatchObject({ code: 'INTERNAL', cause: thrown });
    expect(error.message).toContain(`failed: ${message}`);
  });

  it('is the reason of the signal where that ended it, and an abort of nobody’s otherwise', () => {
    expect(fromNative(nativeError('ABORTED'), AbortSignal.abort('enough'))).toBe('enough');
    for (const signal of [null, undefined, new AbortController().signal])
      expect(fromNative(nativeError('ABORTED', 'stopped'), signal)).toMatchObject({
        name: 'AbortError',
        message: 'stopped',
      });
    expect(fromNative(nativeError('DEVICE_LOST'), AbortSignal.abort('enough'))).toMatchObject({ code: 'DEVICE_LOST' });
  });
});

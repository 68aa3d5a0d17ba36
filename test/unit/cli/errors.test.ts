import { describe, expect, it } from 'vitest';
import { EXIT, exitCode } from '../../../src/cli/exit-codes.js';
import { Interrupted } from '../../../src/cli/io.js';
import { main } from '../../../src/cli/main.js';
import { printError } from '../../../src/cli/output.js';
import { type ErrorCode, T2IError, T2IInternalError } from '../../../src/errors.js';
import { fakeIo } from '../../support/fake-io.js';

describe('errors', () => {
  const print = (error: unknown, options: Parameters<typeof fakeIo>[0] = {}) => {
    const io = fakeIo(options);
    printError(io, error, false);
    expect(io.out()).toBe('');
    return io.err();
  };

  it('of the user come with the hint and without a stack', () => {
    const text = print(new T2IError('IO_FAILED', 'cannot write x', { hint: 'choose another' }));
    expect(text).toBe('error: cannot write x\nhint: choose another\n');
  });

  it.each([new T2IInternalError('a broken promise'), new TypeError('x is not a function')])(
    'of ours come with the stack',
    (error) => {
      const text = print(error);
      expect(text).toContain(error.message);
      expect(text).toMatch(/\n {4}at /);
    },
  );

  it('with several mistakes take a line each', () => {
    const issue = (option: string) => ({ option, expected: 'a', received: 'b' });
    const text = print(new T2IError('OPTION_INVALID', 'joined', { issues: [issue('--x'), issue('--y')] }));
    expect(text).toBe('error: 2 mistakes\n  --x: expected a, received b\n  --y: expected a, received b\n');
  });

  it('say what a message sums up, and not again what it says', () => {
    const issue = (option: string) => ({ option, expected: 'a caption', received: 'none' });
    const summary = print(
      new T2IError('DATA_INVALID', '2 of 9 images cannot be used', { issues: [issue('x'), issue('y')] }),
    );
    expect(summary).toBe(
      'error: 2 of 9 images cannot be used\n  x: expected a caption, received none\n  y: expected a caption, received none\n',
    );
    const whole = 'The model cannot be used: x: expected a caption, received none.';
    expect(print(new T2IError('MODEL_INVALID', whole, { issues: [issue('x')] }))).toBe(`error: ${whole}\n`);
  });

  it('stay a page where there are thousands of mistakes', () => {
    const issues = Array.from({ length: 7000 }, (_, at) => ({ option: `image-${at}`, expected: 'a', received: 'b' }));
    for (const code of ['OPTION_INVALID', 'DATA_INVALID'] as const) {
      const lines = print(new T2IError(code, 'summary', { issues }))
        .trimEnd()
        .split('\n');
      expect(lines).toHaveLength(22);
      expect(lines.at(-1)).toBe('  and 6980 more: --json tells all');
    }
  });

  it('are red on a terminal alone, and never under NO_COLOR', () => {
    const error = new T2IError('CLOSED', 'x');
    expect(print(error)).not.toContain('\u001b');
    expect(print(error, { terminal: true })).toContain('\u001b[31m');
    expect(print(error, { terminal: true, env: { NO_COLOR: '1' } })).not.toContain('\u001b');
  });

  const running = new AbortController().signal;
  it.each<[ErrorCode, number]>([
    ['OPTION_INVALID', EXIT.usage],
    ['MODEL_NOT_FOUND', EXIT.model],
    ['MODEL_INVALID', EXIT.model],
    ['BACKEND_UNAVAILABLE', EXIT.device],
    ['OUT_OF_MEMORY', EXIT.device],
    ['ENGINE_INVALID', EXIT.model],
    ['ENGINE_INACCURATE', EXIT.model],
    ['ENGINE_BUILD_FAILED', EXIT.device],
    ['DEVICE_LOST', EXIT.device],
    ['NETWORK_FAILED', EXIT.network],
    ['RECEIPT_MISSING', EXIT.failure],
    ['INTERNAL', EXIT.failure],
  ])('%s ends with %d', (code, expected) => {
    expect(exitCode(new T2IError(code, 'x'), running)).toBe(expected);
  });

  it('that follow from a signal end with its code', () => {
    const crash = new T2IError('BACKEND_CRASHED', 'x');
    expect(exitCode(crash, AbortSignal.abort(new Interrupted('SIGINT')))).toBe(130);
    expect(exitCode(crash, AbortSignal.abort(new Interrupted('SIGTERM')))).toBe(143);
    expect(exitCode(crash, AbortSignal.abort(new Interrupted('SIGHUP')))).toBe(129);
    expect(exitCode(crash, AbortSignal.abort())).toBe(130);
  });

  it.each([new TypeError('x'), 'text', undefined])('that nobody foresaw end with 1: %s', (error) => {
    expect(exitCode(error, running)).toBe(EXIT.failure);
  });

  it('of a command that is interrupted say by what, and nothing to programs', async () => {
    const io = fakeIo({ signal: AbortSignal.abort(new Interrupted('SIGTERM')) });
    expect(await main(['generate', 'x', '--json'], io)).toBe(143);
    expect([io.out(), io.err()]).toEqual(['', 'interrupted by SIGTERM\n']);
  });
});

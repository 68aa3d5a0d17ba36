import { describe, expect, it } from 'vitest';
import { columns, note, paint, printError, table, warn } from '../../../src/cli/output.js';
import { T2IError, T2IInternalError } from '../../../src/errors.js';
import { fakeIo } from '../../support/fake-io.js';

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

  it('leaves out what a row lacks', () => {
    expect(columns(['a', 'b', 'c'], [['xx'], ['x', 'yy']])).toBe('a   b   c\nxx\nx   yy\n');
  });

  it('is its head alone where there are no rows', () => {
    expect(columns(['a', 'b'], [])).toBe('a  b\n');
  });

  it('shows control characters of others as escapes', () => {
    expect(columns(['a'], [['x\u001b[2J']])).toContain('x\\u{1b}[2J');
  });
});

describe('a table of names and values', () => {
  it('has its values below each other, with marks and further lines indented', () => {
    expect(
      table([
        ['a', 'one'],
        ['long name', 'two\nlines', '*'],
        ['', ''],
      ]),
    ).toBe('a          one\nlong name  *  two\n           lines\n           \n');
  });

  it('shows control characters of values as escapes, and its own marks as they are', () => {
    expect(table([['a', 'x\u001b[2J', '\u001b[32mok\u001b[0m']])).toBe('a  \u001b[32mok\u001b[0m  x\\u{1b}[2J\n');
  });
});

describe('what is told beside the result', () => {
  it.each([
    ['warning', warn, '33'],
    ['note', note, '2'],
  ] as const)('is a %s on standard error, in colour on a terminal', (word, tell, colour) => {
    const [io, terminal] = [fakeIo(), fakeIo({ terminal: true })];
    tell(io, 'x\u001b[2J');
    tell(terminal, 'x');
    expect([io.out(), io.err()]).toEqual(['', `${word}: x\\u{1b}[2J\n`]);
    expect(terminal.err()).toBe(`\u001b[${colour}m${word}:\u001b[0m x\n`);
  });

  it.each([
    [false, {}, 'ok'],
    [true, {}, '\u001b[32mok\u001b[0m'],
    [true, { NO_COLOR: '' }, '\u001b[32mok\u001b[0m'],
    [true, { NO_COLOR: '0' }, 'ok'],
  ])('is green where the terminal is %s and the environment %j', (terminal, env, text) => {
    const io = fakeIo({ terminal, env });
    expect(paint(io, io.stdout, 'green', 'ok')).toBe(text);
  });
});

describe('an error for programs', () => {
  const printed = (error: unknown) => {
    const io = fakeIo();
    printError(io, error, true);
    return { error: JSON.parse(io.out()).error, err: io.err() };
  };

  it('has its code, message, hint and issues, as far as it has them', () => {
    const issues = [{ option: 'x', expected: 'a', received: 'b' }];
    expect(printed(new T2IError('MODEL_INVALID', 'm', { hint: 'h', issues })).error).toEqual({
      ...{ code: 'MODEL_INVALID', message: 'm', hint: 'h', issues },
    });
    expect(printed(new T2IError('IO_FAILED', 'm')).error).toEqual({ code: 'IO_FAILED', message: 'm' });
  });

  it.each([
    [new T2IInternalError('broken', { hint: 'x', issues: [{ option: 'x', expected: 'a', received: 'b' }] }), 'broken'],
    [new TypeError('x is not a function'), 'x is not a function'],
    ['thrown text', 'thrown text'],
    [undefined, 'undefined'],
  ])('of ours is its message alone: %s', (error, message) => {
    expect(printed(error).error).toEqual({ code: 'INTERNAL', message });
  });

  it('is told to people in the same breath, and called a bug where it is one', () => {
    expect(printed(new T2IError('IO_FAILED', 'm')).err).toBe('error: m\n');
    expect(printed('thrown text').err).toMatch(/^error: thrown text\nhint: .*\bbug\b.*\n$/);
    const bare = Object.assign(new Error('no stack'), { stack: undefined });
    expect(printed(bare).err).toMatch(/^error: no stack\nhint: /);
  });

  it('steers no terminal, by its text or its hint', () => {
    const { err } = printed(new T2IError('IO_FAILED', 'a\u001b[2J', { hint: 'b\u001b[2J' }));
    expect(err).toBe('error: a\\u{1b}[2J\nhint: b\\u{1b}[2J\n');
  });
});

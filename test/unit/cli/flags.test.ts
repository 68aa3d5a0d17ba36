import { describe, expect, it } from 'vitest';
import { type Command, type CommandInput, keyOfFlag, longName } from '../../../src/cli/command.js';
import { COMMANDS } from '../../../src/cli/commands.js';
import { withFlagNames } from '../../../src/cli/flag-names.js';
import { type Issue, T2IError } from '../../../src/errors.js';

describe('a flag', () => {
  it.each([
    ['-n, --count <n>', '--count', 'count'],
    ['--dry-run', '--dry-run', 'dryRun'],
    ['--no-metadata', '--no-metadata', 'metadata'],
    ['--i-trust-this-file', '--i-trust-this-file', 'iTrustThisFile'],
  ])('%s has the long name %s, and the key %s', (flags, name, key) => {
    expect([longName({ flags, description: '' }), keyOfFlag({ flags, description: '' })]).toEqual([name, key]);
  });

  it('without a long name goes by the one that it has', () => {
    expect(longName({ flags: '-x', description: '' })).toBe('-x');
  });

  it('has a long name in every command', () => {
    for (const { name, flags } of COMMANDS)
      for (const flag of flags) expect(longName(flag), name).toMatch(/^--[a-z-]+$/);
  });
});

describe('a mistake in an option of the SDK', () => {
  const command = {
    name: 'paint',
    flags: [
      { flags: '--size <size>', description: '', sets: ['width', 'height'] },
      { flags: '--width <n>', description: '', sets: ['width'] },
      { flags: '--guidance <n>', description: '', sets: ['guidanceScale'] },
      { flags: '--python <path>', description: '' },
    ],
  } as unknown as Command;
  const issue = (option: string): Issue => ({ option, expected: 'a', received: 'b' });
  /** What is told of those issues. */
  const told = (options: readonly string[], input: Omit<CommandInput, 'args'>, hint?: string) =>
    withFlagNames(new T2IError('OPTION_INVALID', 'wrong', { issues: options.map(issue), hint }), command, {
      args: [],
      ...input,
    }) as T2IError;

  it('is told by the flag that sets it, or by its own where none does', () => {
    const { issues } = told(['guidanceScale', 'python', '--guidance', 'seeds'], { flags: {} });
    expect(issues).toEqual(['--guidance', '--python', '--guidance', 'seeds'].map(issue));
  });

  it('is told by the one of several flags that was given', () => {
    expect(told(['width'], { flags: { width: '7' } }).issues).toEqual([issue('--width')]);
    expect(told(['width'], { flags: { size: '7x7' } }).issues).toEqual([{ ...issue('--size'), received: '"7x7"' }]);
  });

  it('is told once where one flag sets several of them wrongly, with what the flag says', () => {
    const { issues } = told(['width', 'height', 'guidanceScale'], { flags: { size: '7x7' } });
    expect(issues).toEqual([{ ...issue('--size'), received: '"7x7"' }, issue('--guidance')]);
  });

  it('is told by the place where it is written down', () => {
    const sources = { guidance: 't2i.config.json: guidance' };
    const { issues } = told(['guidanceScale', 'python'], { flags: { guidance: '7' }, sources });
    expect(issues).toEqual([issue('t2i.config.json: guidance'), issue('--python')]);
  });

  it('comes with a hint, its own or where to read on', () => {
    expect(told(['width'], { flags: {} }, 'Ask.').hint).toBe('Ask.');
    expect(told(['width'], { flags: {} }).hint).toBe('t2i paint --help');
  });

  it('keeps what it is and what it came from', () => {
    const cause = new Error('deep');
    const error = new T2IError('OPTION_INVALID', 'wrong', { issues: [issue('width')], cause });
    expect(withFlagNames(error, command, { args: [], flags: {} })).toMatchObject({
      ...{ code: 'OPTION_INVALID', message: 'wrong', cause },
    });
  });

  it.each([new Error('a bug'), new T2IError('MODEL_INVALID', 'x', { issues: [issue('width')] }), null])(
    'is nothing else: %s',
    (error) => {
      expect(withFlagNames(error, command, { args: [], flags: { width: '7' } })).toBe(error);
    },
  );
});

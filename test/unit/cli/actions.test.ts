import { describe, expect, it } from 'vitest';
import { checkAction, flagsOfOthers, needlessFlag, refuseFile, requireFile } from '../../../src/cli/actions.js';
import type { Issue } from '../../../src/errors.js';

const refusal = (issue: Issue) => expect.objectContaining({ code: 'OPTION_INVALID', issues: [issue] });

const ACTIONS = ['list', 'prune'] as const;

describe('the action of a command', () => {
  it('is one of those that there are', () => {
    expect(checkAction('prune', ACTIONS)).toBe('prune');
  });

  it('that is none is refused with the one that was probably meant, else with all', () => {
    expect(() => checkAction('lits', ACTIONS)).toThrow(
      refusal({ option: 'action', expected: 'one of list, prune', received: '"lits"', problem: expect.any(String) }),
    );
    expect(() => checkAction('lits', ACTIONS)).toThrow(/unknown action "lits".* "list"\?$/);
    expect(() => checkAction('xyzzy', ACTIONS)).toThrow(/unknown action "xyzzy".* list, prune$/);
  });
});

describe('the file of an action', () => {
  it('is asked for by those that need it', () => {
    expect(requireFile('import', '', 'a folder')).toBe('');
    expect(() => requireFile('import', undefined, 'a folder')).toThrow(
      refusal({ option: 'file', expected: 'a folder with import', received: 'nothing' }),
    );
  });

  it('is refused by those that take none', () => {
    refuseFile('check', undefined);
    expect(() => refuseFile('check', '')).toThrow(
      refusal({ option: 'file', expected: 'nothing with check', received: '""' }),
    );
  });
});

describe('a flag that goes with another action', () => {
  it.each([
    ['dryRun', undefined, '--dry-run'],
    ['dryRun', true, '--dry-run'],
    ['spot', false, '--no-spot'],
    ['file', '', '--file'],
  ])('is named as it was typed: %s, %s', (key, value, flag) => {
    expect(needlessFlag(key, 'with list', value)).toEqual({
      ...{ option: flag, expected: 'nothing with list', received: flag },
    });
  });

  it('is told, once, where it was given and the action does not take it', () => {
    const flagsOf = { prune: ['dryRun', 'force'], remove: ['force', 'all'] };
    const given = { dryRun: true, force: false, all: undefined, json: true };
    const told = (action: string) =>
      flagsOfOthers(action, flagsOf, given).map(({ option, expected }) => [option, expected]);
    expect(told('list')).toEqual([
      ['--dry-run', 'nothing with list'],
      ['--force', 'nothing with list'],
    ]);
    expect(told('remove')).toEqual([['--dry-run', 'nothing with remove']]);
    expect(told('prune')).toEqual([]);
  });
});

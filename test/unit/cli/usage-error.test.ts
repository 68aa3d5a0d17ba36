import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/cli/command.js';
import { usageError } from '../../../src/cli/usage-error.js';

const flags = [
  { flags: '--steps <n>', description: '' },
  { flags: '--stepsize <n>', description: '', hidden: true },
];
const argument = (name: string) => ({ name, description: '', required: true });
const command = (...names: string[]) =>
  ({ name: 'paint', arguments: names.map(argument), flags }) as unknown as Command;

const unknown = (flag: string) => new CommanderError(1, 'commander.unknownOption', `error: unknown option '${flag}'`);
const excess = new CommanderError(1, 'commander.excessArguments', "error: too many arguments for 'paint'.");

describe('a command line that cannot be parsed', () => {
  it.each([
    ['--stpes', 'unknown option --stpes; did you mean --steps?'],
    ['-steps', 'unknown option -steps; did you mean --steps?'],
    ['--stepsizes', 'unknown option --stepsizes; did you mean --steps?'],
    ['--stpes=3', 'unknown option --stpes; did you mean --steps?'],
    ['--zebra', 'unknown option --zebra'],
  ])('with %s is told so, and never a flag that is not advertised', (flag, message) => {
    const error = usageError(unknown(flag), command(), []);
    expect(error).toMatchObject({ code: 'OPTION_INVALID', message, hint: 't2i paint --help', cause: unknown(flag) });
  });

  it('of no command has the help of the program as its hint', () => {
    expect(usageError(unknown('--stpes'), null, [])).toMatchObject({
      ...{ message: 'unknown option --stpes', hint: 't2i --help' },
    });
    expect(usageError(excess, null, ['a', 'b'])).toMatchObject({ message: "too many arguments for 'paint'." });
  });

  it('since a prompt has no quotes is shown with them, whole', () => {
    const words = Array.from({ length: 40 }, (_, index) => `word${index}`);
    expect(usageError(excess, command('prompt'), words).hint).toContain(`t2i "${words.join(' ')}"`);
    expect(usageError(excess, command('prompt'), ['a', 'red', 'apple'])).toMatchObject({
      ...{ message: 'expected one prompt, received 3 words', hint: expect.stringContaining('t2i "a red apple"') },
    });
  });

  it.each([[['image']], [[]]])('since it has too many words is no prompt where the command takes %j', (names) => {
    expect(usageError(excess, command(...names), ['a', 'b'])).toMatchObject({
      ...{ message: "too many arguments for 'paint'.", hint: 't2i paint --help' },
    });
  });

  it('is told in the words of the parser, without "error" twice', () => {
    const missing = new CommanderError(1, 'commander.missingArgument', "error: missing required argument 'image'");
    expect(usageError(missing, command('image'), []).message).toBe("missing required argument 'image'");
  });
});

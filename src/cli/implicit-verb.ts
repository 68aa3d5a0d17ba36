import { T2IError } from '../errors.js';
import { nearestName } from '../suggest.js';
import type { Command } from './command.js';

const ROOT_FLAGS = ['-h', '--help', '-v', '--version'];

/**
 * The command line in full, as people leave parts of it out: a prompt alone means `generate`, `help verify` is `verify --help`.
 *
 * @throws T2IError OPTION_INVALID for a word that looks like a command and is none
 */
export function withVerb(commands: readonly Command[], argv: readonly string[]): readonly string[] {
  const names = commands.map(({ name }) => name);
  const [first, second] = argv;
  if (first === '-V') return ['--version'];
  if (first === 'help') {
    if (second === undefined || second.startsWith('-')) return ['--help'];
    if (!names.includes(second)) throw unknownCommand(second, names);
    return [second, '--help'];
  }
  if (first === undefined || names.includes(first) || ROOT_FLAGS.includes(first)) return argv;
  if (first.startsWith('-') && first !== '-') {
    const verb = argv.find((word) => names.includes(word));
    if (verb !== undefined) throw commandFirst(first, verb);
    return ['generate', ...argv];
  }
  if (!/\s/.test(first) && nearestName(first, names) !== null) throw unknownCommand(first, names);
  return ['generate', ...argv];
}

function unknownCommand(word: string, names: readonly string[]): T2IError {
  const near = nearestName(word, names);
  const instead = near === null ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
  return new T2IError('OPTION_INVALID', `unknown command "${word}"; ${instead}`, {
    hint: `t2i --help lists the commands; to draw the word itself: t2i generate "${word}"`,
  });
}

function commandFirst(flag: string, verb: string): T2IError {
  return new T2IError('OPTION_INVALID', `expected the command "${verb}" before its options, received ${flag} first`, {
    hint: `t2i ${verb} ${flag} ...; to draw a prompt that names a command: t2i generate ${flag} ...`,
  });
}

import type { CommanderError } from 'commander';
import { T2IError } from '../errors.js';
import { nearestName } from '../suggest.js';
import { type Command, longName } from './command.js';
import { shellWord } from './shell-word.js';

/**
 * What the parser of the command line refused, in the words of all other errors.
 *
 * @param command null for `t2i` itself
 * @param words those that are not flags
 */
export function usageError(error: CommanderError, command: Command | null, words: readonly string[]): T2IError {
  const [, quoted = ''] = /'([^'=]*)/.exec(error.message) ?? [];
  const help = `t2i ${command ? `${command.name} ` : ''}--help`;
  const refused = (message: string, hint = help) => new T2IError('OPTION_INVALID', message, { hint, cause: error });
  if (error.code === 'commander.unknownOption')
    return refused(`unknown option ${quoted}${suggestion(quoted, command)}`);
  if (error.code === 'commander.excessArguments' && command?.arguments[0]?.name === 'prompt') {
    const quotedPrompt = `Put the prompt in quotes: t2i ${shellWord(words.join(' '))}`;
    return refused(`expected one prompt, received ${words.length} words`, quotedPrompt);
  }
  return refused(error.message.replace(/^error: /, ''));
}

function suggestion(typed: string, command: Command | null): string {
  const flags = command?.flags.filter(({ hidden }) => !hidden).map((flag) => longName(flag).slice(2)) ?? [];
  const near = nearestName(typed, flags);
  return near === null ? '' : `; did you mean --${near}?`;
}

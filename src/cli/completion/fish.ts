import type { Command } from '../command.js';
import { argumentWords, type FlagWords, flagWords } from './words.js';

/** A script for ~/.config/fish/completions/t2i.fish. */
export function fishScript(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name);
  const seen = (...words: string[]) => `__fish_seen_subcommand_from ${words.join(' ')}`;
  const nothing = `not ${seen(...names, 'help')}`;
  const lines = commands.flatMap((command) => {
    // A prompt without a command is drawn by generate.
    const others = names.filter((name) => name !== command.name);
    const when = command.name === 'generate' ? `not ${seen(...others, 'help')}` : seen(command.name);
    const operands = argumentWords(command);
    return [
      offer(nothing, `-a ${command.name}`, command.summary),
      ...flagWords(command).map((flag) => offer(when, flagOptions(flag), flag.description)),
      ...(operands.length > 0 ? [offer(when, `-x -a ${quote(operands.join(' '))}`)] : []),
    ];
  });
  return `# fish completion for t2i: write it to ~/.config/fish/completions/t2i.fish
${lines.join('\n')}
${offer(nothing, '-a help', 'Print the help of a command.')}
${offer(seen('help'), `-x -a ${quote(names.join(' '))}`)}
`;
}

function offer(condition: string, options: string, description?: string): string {
  return `complete -c t2i -n ${quote(condition)} ${options}${description ? ` -d ${quote(description)}` : ''}`;
}

function flagOptions({ names, takesValue, values, path }: FlagWords): string {
  const name = names.map((each) => (each.startsWith('--') ? `-l ${each.slice(2)}` : `-s ${each.slice(1)}`)).join(' ');
  if (!takesValue) return name;
  if (values.length > 0) return `${name} -x -a ${quote(values.join(' '))}`;
  return path ? `${name} -r -F` : `${name} -x`;
}

/** In single quotes fish knows two escapes. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

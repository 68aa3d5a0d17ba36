import type { Command } from '../command.js';
import { singleQuoted } from '../shell-word.js';
import { argumentWords, type FlagWords, flagWords } from './words.js';

/** A script for a folder of zsh's `fpath`, where it is called _t2i; it can be sourced, too. */
export function zshScript(commands: readonly Command[]): string {
  const described = commands.map(
    ({ name, summary }) => `    ${singleQuoted(`${name}:${summary.replaceAll(':', '\\:')}`)}`,
  );
  const cases = commands.map((command) => {
    const specs = [...flagWords(command).flatMap(flagSpecs), operandSpec(command)];
    return `    ${command.name})\n      _arguments -s \\\n${specs.map((spec) => `        ${spec}`).join(' \\\n')}\n      ;;`;
  });
  return `#compdef t2i
# zsh completion for t2i: write it to a file _t2i in a folder of $fpath
_t2i() {
  local -a commands
  commands=(
${described.join('\n')}
    'help:Print the help of a command.'
  )
  local verb=$words[2]
  if [[ $verb == help ]] || (( CURRENT == 2 )) && [[ $verb != -* ]]; then
    _describe -t commands command commands
    return
  fi
  if (( \${commands[(I)$verb:*]} )); then
    shift words
    (( CURRENT-- ))
  else
    # A prompt without a command is drawn by generate.
    verb=generate
  fi
  case $verb in
${cases.join('\n')}
  esac
}
# Read from fpath it is run at once; sourced, it is entered where compinit was run.
if [[ $funcstack[1] == _t2i ]]; then _t2i "$@"; elif (( $+functions[compdef] )); then compdef _t2i t2i; fi
`;
}

function flagSpecs({ names, description, takesValue, values, path }: FlagWords): string[] {
  const text = description.replace(/[[\]:\\]/g, '\\$&');
  const action = values.length > 0 ? `(${values.join(' ')})` : path ? '_files' : '';
  return names.map((name) => singleQuoted(`${name}[${text}]${takesValue ? `:value:${action}` : ''}`));
}

function operandSpec(command: Command): string {
  const values = argumentWords(command);
  return singleQuoted(values.length > 0 ? `1:argument:(${values.join(' ')})` : '*:argument:_files');
}

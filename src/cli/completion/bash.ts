import type { Command } from '../command.js';
import { argumentWords, flagWords } from './words.js';

/** A script for bash 3.2, which macOS has, or newer. Where it offers nothing, bash offers files. */
export function bashScript(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name);
  const values = commands.flatMap((command) =>
    flagWords(command)
      .filter((flag) => flag.values.length > 0)
      .map((flag) => {
        const pattern = flag.names.map((name) => `"${command.name} ${name}"`).join('|');
        return `    ${pattern}) words="${flag.values.join(' ')}" ;;`;
      }),
  );
  const flags = commands.map((command) => {
    const words = flagWords(command).flatMap((flag) => flag.names);
    return `    "${command.name} -"*) words="${words.join(' ')}" ;;`;
  });
  const operands = commands
    .filter((command) => argumentWords(command).length > 0)
    .map((command) => `    "${command.name} "*) ((COMP_CWORD == 2)) && words="${argumentWords(command).join(' ')}" ;;`);
  return `# bash completion for t2i; load it by: source <(t2i completion bash)
_t2i() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" verb words=""
  case "\${COMP_WORDS[1]}" in
    ${['help', ...names].join('|')}) verb="\${COMP_WORDS[1]}" ;;
    # A prompt without a command is drawn by generate.
    *) verb=generate ;;
  esac
  if [[ $verb == help ]] || ((COMP_CWORD == 1)) && [[ $word != -* ]]; then before="" verb=""; fi
  case "$verb $before" in
    " ") words="${[...names, 'help'].join(' ')}" ;;
${values.join('\n')}
    *)
    case "$verb $word" in
${[...flags, ...operands].map((line) => `  ${line}`).join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _t2i t2i
`;
}

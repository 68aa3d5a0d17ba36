import { type Command, type Flag, longName, takesValue } from '../command.js';

/** What a shell may offer for one flag. */
export interface FlagWords {
  /** As typed, for example `-n` and `--count`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** What may follow; empty for a number, free text or a file. */
  readonly values: readonly string[];
  /** A file or folder may follow. */
  readonly path: boolean;
}

const HELP: Flag = { flags: '-h, --help', description: 'print this help' };

/** The flags that the help of a command shows. */
export function flagWords({ flags }: Command): FlagWords[] {
  return [...flags, HELP]
    .filter(({ hidden }) => !hidden)
    .map((flag) => ({
      names: [/^-[a-z]/.exec(flag.flags)?.[0], longName(flag)].filter((name) => name !== undefined),
      description: flag.description,
      takesValue: takesValue(flag),
      values: flag.values ?? [],
      path: /<(path|file|dir|dir\|name)>/.test(flag.flags),
    }));
}

/** What the first word after a command may be, where only some may. */
export function argumentWords({ arguments: [first] }: Command): readonly string[] {
  return first?.values ?? [];
}

import type { Io } from './io.js';

/** One flag of a command. */
export interface Flag {
  /** As commander takes it, for example `-n, --count <n>`. */
  readonly flags: string;
  readonly description: string;
  /** The SDK's options that it sets, so that their error messages can name the flag instead. */
  readonly sets?: readonly string[];
  /** Values that it takes, for completion in a shell. */
  readonly values?: readonly string[];
  /** Another spelling of a flag, which is understood and not advertised. */
  readonly hidden?: true;
}

export interface Argument {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** Values that it takes, for completion in a shell. */
  readonly values?: readonly string[];
}

/** What the user typed, by the flags' long names in camel case. */
export interface CommandInput {
  readonly args: readonly (string | undefined)[];
  readonly flags: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  /** By the same names: where the flags come from that were not typed, for example `t2i.config.json: steps`. */
  readonly sources?: Readonly<Record<string, string>>;
}

/** A command is data plus a handler; `commands.ts` lists them all. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly arguments: readonly Argument[];
  readonly flags: readonly Flag[];
  /** Flags that are left out come from t2i.config.json or package.json, where they are written there. */
  readonly takesDefaults?: true;
  /** Whole command lines, the simplest first. */
  readonly examples: readonly string[];
  /** Returns the exit code; throws T2IError for what went wrong. Loads what is heavy itself, with `import()`. */
  run(input: CommandInput, io: Io): Promise<number>;
}

export const JSON_FLAG: Flag = { flags: '--json', description: 'print JSON on standard output, also for errors' };

/** The long name of a flag as the user types it, for example `--count`. */
export function longName(flag: Flag): string {
  return /--[a-z][a-z-]*/.exec(flag.flags)?.[0] ?? flag.flags;
}

/** The key of a flag in {@link CommandInput}, for example `dryRun`. */
export function keyOfFlag(flag: Flag): string {
  return camelCase(longName(flag).replace(/^--(no-)?/, ''));
}

/** Whether a value follows the flag. */
export function takesValue({ flags }: Flag): boolean {
  return flags.includes('<');
}

/** A name that may hold dashes or underscores as a key: `guidance-scale` is `guidanceScale`. */
export function camelCase(name: string): string {
  return name.replace(/[-_]([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The flag of such a key as the user types it, for example `--dry-run`. */
export function flagOfKey(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

import { type Issue, T2IError } from '../errors.js';
import { describeValue } from '../fields.js';
import { type Command, type CommandInput, type Flag, keyOfFlag, longName } from './command.js';

/**
 * The SDK's names of options in an error, such as `guidanceScale`, become the flags that the user typed, or the place where they are
 * written down. A flag that sets several options, as `--size` does, is told once, with what it says.
 */
export function withFlagNames(error: unknown, command: Command, input: CommandInput): unknown {
  if (!T2IError.is(error) || error.code !== 'OPTION_INVALID') return error;
  const told = new Set<string>();
  const issues = error.issues.flatMap((issue): Issue[] => {
    const flag = flagOf(issue.option, command, input);
    if (flag === undefined) return [issue];
    const key = keyOfFlag(flag);
    const option = input.sources?.[key] ?? longName(flag);
    if ((flag.sets?.length ?? 0) < 2) return [{ ...issue, option }];
    if (told.has(option)) return [];
    told.add(option);
    return [{ ...issue, option, received: describeValue(input.flags[key]) }];
  });
  const hint = error.hint ?? `t2i ${command.name} --help`;
  return new T2IError(error.code, error.message, { issues, hint, cause: error.cause });
}

/** The flag of that name or key, or that sets an option of the SDK; of several the one that was given. */
function flagOf(option: string, { flags }: Command, input: CommandInput): Flag | undefined {
  const meant = flags.filter((flag) => [longName(flag), keyOfFlag(flag), ...(flag.sets ?? [])].includes(option));
  return meant.find((flag) => input.flags[keyOfFlag(flag)] !== undefined) ?? meant[0];
}

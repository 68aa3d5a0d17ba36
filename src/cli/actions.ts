import type { Issue } from '../errors.js';
import { describeValue, refuse } from '../fields.js';
import { didYouMean } from '../suggest.js';
import { type CommandInput, flagOfKey } from './command.js';

/**
 * The action of a command such as `t2i engines list`.
 *
 * @throws T2IError OPTION_INVALID with the name that was probably meant
 */
export function checkAction<T extends string>(given: string, actions: readonly T[]): T {
  const action = actions.find((name) => name === given);
  if (action === undefined) {
    const received = describeValue(given);
    const problem = `unknown action ${received}${didYouMean(given, actions)}`;
    refuse([{ option: 'action', expected: `one of ${actions.join(', ')}`, received, problem }]);
  }
  return action as T;
}

/** @throws T2IError OPTION_INVALID where an action that needs a file was given none */
export function requireFile(action: string, file: string | undefined, what: string): string {
  if (file === undefined) refuse([{ option: 'file', expected: `${what} with ${action}`, received: 'nothing' }]);
  return file as string;
}

/** @throws T2IError OPTION_INVALID where an action that takes no file was given one */
export function refuseFile(action: string, file: string | undefined): void {
  if (file !== undefined)
    refuse([{ option: 'file', expected: `nothing with ${action}`, received: describeValue(file) }]);
}

/**
 * A flag that does not go together with the rest of a command.
 *
 * @param key of the flag
 * @param where such as `with list`
 * @param value of the flag; false where it was typed with `--no-`
 */
export function needlessFlag(key: string, where: string, value: CommandInput['flags'][string] = true): Issue {
  const flag = value === false ? flagOfKey(key).replace('--', '--no-') : flagOfKey(key);
  return { option: flag, expected: `nothing ${where}`, received: flag };
}

/** The flags that other actions take and this one does not. @param flagsOf keys of the flags that only some actions take */
export function flagsOfOthers(
  action: string,
  flagsOf: Readonly<Record<string, readonly string[]>>,
  flags: CommandInput['flags'],
): Issue[] {
  const known = new Set(Object.values(flagsOf).flat());
  const others = [...known].filter((key) => !flagsOf[action]?.includes(key) && flags[key] !== undefined);
  return others.map((key) => needlessFlag(key, `with ${action}`));
}

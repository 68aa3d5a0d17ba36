import { describeValue, refuse } from '../fields.js';
import { didYouMean } from '../suggest.js';

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

import type { T2IError } from '../../../src/errors.js';
import type { Problems } from '../../../src/model/problems.js';

/** What was found to be wrong, an issue a line; nothing where nothing was. */
export function issuesOf(problems: Problems): string[] {
  try {
    problems.throwIfAny();
    return [];
  } catch (error) {
    return (error as T2IError).issues.map(
      ({ option, expected, received }) => `${option}: ${expected}, not ${received}`,
    );
  }
}

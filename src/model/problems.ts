import { describeIssues, type Issue, T2IError } from '../errors.js';

const HINT = 'Export or download the model again, or name another one with --model.';

/**
 * A MODEL_INVALID error about one file: `option` is its path in the model directory, with the part of it that is wrong.
 * @param hint what to do about it, where that is something else than to get the model again
 */
export function invalidModel(option: string, expected: string, received: string, hint: string = HINT): T2IError {
  return invalidModelOf([{ option, expected, received }], new Set([hint]));
}

/** Gathers everything that is wrong with a model, so that one error can say all of it. */
export class Problems {
  private readonly issues: Issue[] = [];
  private readonly hints = new Set<string>();

  /** @param hint as that of {@link invalidModel} */
  add(option: string, expected: string, received: string, hint: string = HINT): void {
    this.addAll([{ option, expected, received }], hint);
  }

  addAll(issues: readonly Issue[], hint: string = HINT): void {
    if (issues.length > 0) this.hints.add(hint);
    this.issues.push(...issues);
  }

  /** Runs a step; where it finds the model invalid, notes why and returns null, so that the next step runs too. */
  async collect<T>(step: () => Promise<T> | T): Promise<T | null> {
    try {
      return await step();
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'MODEL_INVALID') throw error;
      this.addAll(error.issues, error.hint);
      return null;
    }
  }

  /** @throws T2IError MODEL_INVALID with everything that was noted, where there is anything. */
  throwIfAny(): void {
    if (this.issues.length > 0) throw invalidModelOf(this.issues, this.hints);
  }
}

/** What helps with one file comes before what helps with any. */
function invalidModelOf(issues: readonly Issue[], hints: ReadonlySet<string>): T2IError {
  const hint = [...[...hints].filter((each) => each !== HINT), ...(hints.has(HINT) ? [HINT] : [])].join(' ');
  return new T2IError('MODEL_INVALID', `The model cannot be used: ${describeIssues(issues)}.`, { hint, issues });
}

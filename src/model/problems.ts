import { describeIssues, type Issue, T2IError } from '../errors.js';

const HINT = 'Export or download the model again, or name another one with --model.';

/** A MODEL_INVALID error about one file: `option` is its path in the model directory, with the part of it that is wrong. */
export function invalidModel(option: string, expected: string, received: string): T2IError {
  return invalidModelOf([{ option, expected, received }]);
}

/** Gathers everything that is wrong with a model, so that one error can say all of it. */
export class Problems {
  private readonly issues: Issue[] = [];

  add(option: string, expected: string, received: string): void {
    this.issues.push({ option, expected, received });
  }

  addAll(issues: readonly Issue[]): void {
    this.issues.push(...issues);
  }

  /** Runs a step; where it finds the model invalid, notes why and returns null, so that the next step runs too. */
  async collect<T>(step: () => Promise<T> | T): Promise<T | null> {
    try {
      return await step();
    } catch (error) {
      if (!T2IError.is(error) || error.code !== 'MODEL_INVALID') throw error;
      this.issues.push(...error.issues);
      return null;
    }
  }

  /** @throws T2IError MODEL_INVALID with everything that was noted, where there is anything. */
  throwIfAny(): void {
    if (this.issues.length > 0) throw invalidModelOf(this.issues);
  }
}

function invalidModelOf(issues: readonly Issue[]): T2IError {
  return new T2IError('MODEL_INVALID', `The model cannot be used: ${describeIssues(issues)}.`, { hint: HINT, issues });
}

import { type ErrorCode, type Issue, T2IError, T2IInternalError } from '../../errors.js';

/** An error on its way from a child. */
export interface Failure {
  /** INTERNAL for whatever is no T2IError. */
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly issues: readonly Issue[];
}

export function toFailure(error: unknown): Failure {
  if (T2IError.is(error)) {
    const { code, message, hint, issues } = error;
    return { code, message, hint, issues };
  }
  const message = String((error as Error)?.stack ?? error);
  return { code: 'INTERNAL', message, hint: undefined, issues: [] };
}

export function fromFailure({ code, message, hint, issues }: Failure): T2IError {
  return code === 'INTERNAL' ? new T2IInternalError(message) : new T2IError(code, message, { hint, issues });
}

import { ERROR_CODES, type ErrorCode, T2IError, T2IInternalError } from '../../errors.js';

/**
 * What the addon threw, as this package's error. Its errors carry `code` and `hint`; everything without a known code is a bug.
 *
 * @param signal what ABORTED stands for, where the call had one
 */
export function fromNative(error: unknown, signal: AbortSignal | null = null): unknown {
  if (T2IError.is(error)) return error;
  const { code, hint } = error as { code?: string; hint?: string };
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'ABORTED') return signal?.aborted ? signal.reason : new DOMException(message, 'AbortError');
  if (code === undefined || !Object.hasOwn(ERROR_CODES, code)) {
    return new T2IInternalError(`The native addon failed: ${message}`, { cause: error });
  }
  return new T2IError(code as ErrorCode, message, { hint, cause: error });
}

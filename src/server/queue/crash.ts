import { T2IError } from '../../errors.js';

/** Whether the process that drew ended, or lost its GPU: what was drawn need not be the cause, and may be drawn again. */
export function isCrash(error: unknown): error is T2IError {
  return T2IError.is(error) && (error.code === 'BACKEND_CRASHED' || error.code === 'DEVICE_LOST');
}

/** Whether it would fail again, whatever is asked, until somebody looks at the machine or starts the server anew. */
export function isFaultOfServer(error: unknown): error is T2IError {
  return isCrash(error) || (T2IError.is(error) && error.code === 'BACKEND_UNAVAILABLE');
}

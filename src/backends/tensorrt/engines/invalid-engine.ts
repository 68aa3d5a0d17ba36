import { T2IError } from '../../../errors.js';

const BUILD_AGAIN =
  'Delete it, or run `t2i engines prune`; it is built again on the next use, or by `t2i build-engine`.';

/** The cause of an ENGINE_INVALID error about a file that a newer version of this package wrote: not damaged, only unread. */
export class NewerFormat extends Error {}

/** An ENGINE_INVALID error about one file; the reason ends its first sentence. */
export function invalidEngine(path: string, reason: string, cause?: unknown, hint = BUILD_AGAIN): T2IError {
  return new T2IError('ENGINE_INVALID', `The engine ${path} cannot be used: ${reason}.`, {
    hint,
    cause,
  });
}

import type { RequestListeners } from '../queue/queued-request.js';
import type { Asker } from '../service.js';
import type { RequestContext } from './operation.js';

/**
 * Who sends a request, with the signal that it left. `x-request-timeout`, or what OpenAI's clients tell of their own, is the number
 * of seconds that it waits.
 */
export function askerOf(context: RequestContext, api: string, listeners: RequestListeners = {}): Asker {
  const seconds = Number(context.req.header('x-request-timeout') ?? context.req.header('x-stainless-timeout'));
  return {
    ...listeners,
    api,
    caller: context.get('caller'),
    requestId: context.get('requestId'),
    signal: context.req.raw.signal,
    timeout: seconds > 0 ? seconds * 1000 : undefined,
  };
}

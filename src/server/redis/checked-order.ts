import { T2IError } from '../../errors.js';
import { optionsOfRequest, parseRequest, type Request } from '../../options.js';
import type { ServerLimits } from '../http/limits.js';
import { invalidRequest } from '../http/refusal.js';
import { limitsOfServed, type ServedModel } from '../models/served-model.js';
import { ForeignContent, readOrder, type SharedOrder } from './order.js';

/**
 * Reads an order and checks it as if a client had sent it: whoever can write into Redis gets no more drawn than whoever can ask a server.
 *
 * @throws ForeignContent; Refusal option_invalid
 */
export function checkOrder(text: string, served: ServedModel, limits: ServerLimits): SharedOrder {
  const order = readOrder(text);
  if (order.model !== served.id) throw new ForeignContent('An order in Redis is for another model than its queue');
  return { ...order, request: checkRequest(order.request, served, limits) };
}

function checkRequest(request: Request, served: ServedModel, limits: ServerLimits): Request {
  const { seed: _, ...options } = optionsOfRequest(request, 0);
  const asked = { ...options, seeds: request.seeds };
  const issues = limits.issuesOf({ ...asked, n: request.seeds.length });
  if (issues.length > 0) throw invalidRequest(issues);
  try {
    return { ...parseRequest(asked, limitsOfServed(served)), previewEvery: request.previewEvery };
  } catch (error) {
    if (T2IError.is(error) && error.code === 'OPTION_INVALID') throw invalidRequest(error.issues);
    throw error;
  }
}

import type { RequestContext } from './operation.js';
import { invalidRequest, refusal } from './refusal.js';

/**
 * The JSON of a request. Other media types are refused: a page of another site may send them unasked.
 *
 * @throws Refusal media_type_unsupported, option_invalid
 */
export async function jsonBody(context: RequestContext): Promise<unknown> {
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/([\w.-]+\+)?json\b/i.test(type)) {
    throw refusal('media_type_unsupported', 'The body must be JSON', {
      hint: 'Send "Content-Type: application/json".',
    });
  }
  const text = await context.req.text();
  try {
    return JSON.parse(text);
  } catch {
    throw invalidRequest([{ option: 'body', expected: 'JSON', received: `${text.length} characters that are none` }]);
  }
}

import type { Issue } from '../../errors.js';
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

/**
 * The lines of a body of JSON Lines.
 *
 * @throws Refusal option_invalid with every line that is none
 */
export async function jsonLines(context: RequestContext): Promise<unknown[]> {
  const lines = (await context.req.text()).split(/\r?\n/).map((line) => line.trim());
  const issues: Issue[] = [];
  const values: unknown[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    try {
      values.push(JSON.parse(line));
    } catch {
      issues.push({
        option: `line ${index + 1}`,
        expected: 'JSON',
        received: `${line.length} characters that are none`,
      });
    }
  }
  if (values.length === 0 && issues.length === 0) {
    issues.push({ option: 'body', expected: 'at least one line', received: 'none' });
  }
  if (issues.length > 0) throw invalidRequest(issues);
  return values;
}

import type { Issue } from '../../errors.js';
import type { RequestContext } from './operation.js';
import { invalidRequest, Refusal, refusal } from './refusal.js';

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
  const json = parse(text);
  if (json === undefined) {
    throw invalidRequest([{ option: 'body', expected: 'JSON', received: notJson(text) }]);
  }
  return json;
}

/**
 * What a body of JSON Lines holds, each of its lines read by `read`.
 *
 * @throws Refusal option_invalid with what is wrong in every line; what else `read` throws
 */
export async function jsonLines<T>(context: RequestContext, read: (json: unknown) => T): Promise<T[]> {
  const lines = (await context.req.text()).split(/\r?\n/).map((line) => line.trim());
  const issues: Issue[] = [];
  const values: T[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    const place = `line ${index + 1}`;
    const json = parse(line);
    if (json === undefined) {
      issues.push({ option: place, expected: 'JSON', received: notJson(line) });
      continue;
    }
    try {
      values.push(read(json));
    } catch (error) {
      if (!(error instanceof Refusal) || error.issues.length === 0) throw error;
      issues.push(...error.issues.map((issue) => ({ ...issue, option: `${place}: ${issue.option}` })));
    }
  }
  if (values.length === 0 && issues.length === 0) {
    issues.push({ option: 'body', expected: 'at least one line', received: 'none' });
  }
  if (issues.length > 0) throw invalidRequest(issues);
  return values;
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What stands where JSON should, which is not quoted: it may be long, or a prompt. */
function notJson(text: string): string {
  return text === '' ? 'nothing' : `other text, of length ${text.length}`;
}

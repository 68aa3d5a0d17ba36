import { describeIssue } from '../../errors.js';
import type { Refusal } from '../http/refusal.js';

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'invalid_request_error',
  429: 'rate_limit_error',
};

/** An error as OpenAI's clients read it; `issues` has every mistake, `param` the first. */
export function openaiError({ status, code, message, hint, issues }: Refusal, requestId: string) {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  const told = issues.map((issue) => ({ param: issue.option, message: describeIssue(issue) }));
  return {
    error: {
      message,
      type,
      param: issues[0]?.option ?? null,
      code,
      ...(hint !== undefined && { hint }),
      ...(told.length > 0 && { issues: told }),
      request_id: requestId,
    },
  };
}

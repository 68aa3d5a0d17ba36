import type { Issue } from '../../errors.js';
import { isRecord } from '../../fields.js';

/** Keys whose value would be a secret, and the environment variable that it belongs into. */
const SECRET_KEYS: readonly (readonly [RegExp, string])[] = [
  [/^mlflow\.tracking_(username|user)$/, 'MLFLOW_TRACKING_USERNAME'],
  [/^mlflow\.(tracking_)?password$/, 'MLFLOW_TRACKING_PASSWORD'],
  [/^mlflow\.(tracking_)?token$/, 'MLFLOW_TRACKING_TOKEN'],
  [/^huggingface\.(hf_)?token$/, 'HF_TOKEN'],
  [/(^|\.)(aws_)?access_key(_id)?$/i, 'AWS_ACCESS_KEY_ID'],
  [/(^|\.)(aws_)?secret_(access_)?key$/i, 'AWS_SECRET_ACCESS_KEY'],
  [/(^|[._])(password|passwd|secret|token|api_?key|credentials?)$/i, 'a variable of its own'],
];

/** Forms of credentials that are known by sight. */
const SECRET_VALUES: readonly (readonly [RegExp, string])[] = [
  [/\bhf_[A-Za-z0-9]{16,}/, 'a token of Hugging Face'],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/, 'a key of AWS'],
  [/^[a-f0-9]{40}$/, 'a token of DagsHub or another service'],
  [/\b(gh[opsu]_|github_pat_|glpat-|xox[abp]-)[A-Za-z0-9_-]{16,}/, 'a token'],
  [/\bsk-[A-Za-z0-9_-]{20,}/, 'an API key'],
  [/\beyJ[A-Za-z0-9_-]{10,}\.eyJ/, 'a web token'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key'],
  [/^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@/i, 'an address with a password'],
  [/^https?:\/\/[^/\s@]+@/i, 'an address with a user, which may be a token'],
  [/^https?:\/\/\S*[?&#][^=&\s]*(token|key|secret|password|signature)[^=&\s]*=[^&\s]/i, 'an address with a secret'],
];

/** Placeholders of a template, which are no secrets. */
const PLACEHOLDER = /^(YOUR_[A-Z0-9_]+)?$/;

/**
 * Everything in a params.yaml that looks like a secret: DVC copies parameters into dvc.lock, which is committed. What was found
 * is not repeated in the issue.
 */
export function findSecrets(value: unknown, path: readonly string[] = []): Issue[] {
  if (Array.isArray(value)) return value.flatMap((item, at) => findSecrets(item, [...path, String(at)]));
  if (isRecord(value)) return Object.entries(value).flatMap(([key, item]) => findSecrets(item, [...path, key]));
  const option = path.join('.');
  const variable = SECRET_KEYS.find(([pattern]) => pattern.test(option))?.[1];
  const form = typeof value === 'string' ? SECRET_VALUES.find(([pattern]) => pattern.test(value))?.[1] : undefined;
  if (variable === undefined && form === undefined) return [];
  if (value === null || (typeof value === 'string' && PLACEHOLDER.test(value))) return [];
  const where = variable?.startsWith('a ') || variable === undefined ? 'a variable' : variable;
  return [
    {
      option,
      expected: 'no secret',
      received: form ?? 'a secret',
      problem: `looks like ${form ?? 'a secret'}, and DVC would copy it into dvc.lock; delete it here and set ${where} in .env`,
    },
  ];
}

/** Keys of older configurations that hold secrets, so that they are told apart from a slip in a name. */
export function isSecretKey(option: string): boolean {
  return SECRET_KEYS.some(([pattern]) => pattern.test(option));
}

import { type ErrorCode, T2IError } from '../errors.js';
import { isRecord } from '../fields.js';
import { certificateProblem } from '../http/certificate.js';

const CLOCK = {
  code: 'REMOTE_REFUSED',
  says: "this machine's clock differs too much from that of AWS",
  hint: 'Set the clock (timedatectl set-ntp true), then run this again.',
} as const;

/** What the system says of a disk that takes no more. */
const DISK = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/** What one of AWS's errors is called here, and what helps. The first that fits. */
const KINDS: readonly {
  readonly names: RegExp;
  /** What its message says, too, where the name alone does not tell. */
  readonly words?: RegExp;
  /** The first group of it in the message is told in brackets. */
  readonly about?: RegExp;
  readonly code: ErrorCode;
  readonly says: string;
  readonly hint: string;
}[] = [
  {
    names: /^(CredentialsProviderError|TokenProviderError)$/,
    code: 'ACCESS_DENIED',
    says: 'there are no AWS credentials',
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment or .env, or sign in with a profile: aws sso login',
  },
  {
    names: /^ExpiredToken/,
    code: 'ACCESS_DENIED',
    says: 'the AWS credentials have expired',
    hint: 'Sign in again (aws sso login), or renew the session token.',
  },
  // SageMaker has one name for wrong keys and a wrong clock.
  { names: /^InvalidSignature/, words: /^Signature (expired|not yet current)/, ...CLOCK },
  {
    names:
      /^(InvalidAccessKeyId|InvalidSignature|SignatureDoesNotMatch|UnrecognizedClient|InvalidClientTokenId|InvalidToken|IncompleteSignature|MissingAuthenticationToken)/,
    code: 'ACCESS_DENIED',
    says: 'AWS does not accept these credentials',
    hint: 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, that they belong together and are whole.',
  },
  {
    names: /^(PermanentRedirect|Redirect|301|AuthorizationHeaderMalformed|IllegalLocationConstraint)/,
    code: 'OPTION_INVALID',
    says: 'the bucket is in another region',
    hint: 'Set AWS_REGION to the region of the bucket; SageMaker and its bucket have to be in the same one.',
  },
  { names: /^(RequestTimeTooSkewed|RequestExpired|RequestInTheFuture)/, ...CLOCK },
  {
    names: /^NoSuchBucket$/,
    code: 'REMOTE_NOT_FOUND',
    says: 'the bucket does not exist',
    hint: 'Check its name, or make it: aws s3 mb s3://BUCKET',
  },
  {
    names: /^ValidationException$/,
    words: /^Could not assume role/,
    about: /role (arn:\S+[^\s.])/,
    code: 'ACCESS_DENIED',
    says: 'SageMaker may not assume the role',
    hint: 'Check pytorch_estimator.role: the role must exist, and its trust policy let sagemaker.amazonaws.com assume it.',
  },
  {
    names: /^(AccessDenied|Forbidden|403|AllAccessDisabled|NotAuthorized|UnauthorizedOperation)/,
    about: /not authorized to perform: ([\w:*]+)/,
    code: 'ACCESS_DENIED',
    says: 'these AWS credentials may not do that',
    hint: 'Give the user or role the permission; docs/sagemaker.md lists those that are needed.',
  },
  {
    names: /^(PreconditionFailed|ConditionalRequestConflict|ResourceInUse|412|409)/,
    code: 'REMOTE_CONFLICT',
    says: 'something else changed it meanwhile, or it is there already',
    hint: 'Look at what is there now, then run this again.',
  },
  {
    names: /^(NoSuchKey|NotFound|ResourceNotFound|404)/,
    code: 'REMOTE_NOT_FOUND',
    says: 'it is not there',
    hint: 'Check the name and the region.',
  },
  {
    names: /^ResourceLimitExceeded/,
    code: 'REMOTE_REFUSED',
    says: 'the account has no quota for it',
    hint: 'Ask for a higher quota in the Service Quotas console, or use another instance type.',
  },
  {
    names:
      /^(Throttl|TooManyRequests|SlowDown|RequestLimitExceeded|ServiceUnavailable|InternalError|InternalFailure|InternalServer|RequestTimeout|TimeoutError|429|5\d\d|E(CONN|TIMEDOUT|AI_AGAIN|NOTFOUND|HOSTUNREACH|NETUNREACH|PIPE)|EAI_AGAIN|ENOTFOUND|NetworkingError)/,
    code: 'NETWORK_FAILED',
    says: 'AWS could not be reached, or was too busy each time',
    hint: 'Check the network, the region and the proxy; the same command goes on where it stopped.',
  },
];

/**
 * One of AWS's errors in the words of this package. What it quotes has no secrets in it, and the SDK's own error, whose request
 * bears the credentials' signature, is not kept.
 *
 * @param doing what was tried, for example `Cannot write s3://bucket/key`
 */
export function awsError(error: unknown, doing: string, secrets: readonly string[]): T2IError {
  if (T2IError.is(error)) return error;
  const name = nameOf(error);
  const quoted = shorten(redact(messageOf(error), secrets));
  const cause = Object.assign(new Error(quoted), { name });
  if (/^Region is missing/.test(quoted)) {
    const issue = { option: 'AWS_REGION', expected: 'a region such as eu-west-1', received: 'nothing' };
    const message = `${doing}: AWS_REGION: expected ${issue.expected}, received nothing`;
    return new T2IError('OPTION_INVALID', message, { issues: [issue], hint: 'Set it in the environment or .env.' });
  }
  if (DISK.has(name)) {
    const hint = 'Free some space, or work on another disk; the same command goes on.';
    return new T2IError('IO_FAILED', `${doing}: the disk is full or cannot be written (${name})`, { hint, cause });
  }
  const certificate = codesOf(error)
    .map(certificateProblem)
    .find((problem) => problem !== undefined);
  if (certificate !== undefined) {
    const { says, hint } = certificate;
    return new T2IError('NETWORK_FAILED', `${doing}: ${says}: ${quoted}`, { hint, cause });
  }
  const kind =
    KINDS.find(({ names, words }) => names.test(name) && words?.test(quoted) !== false) ?? kindOfStatus(error);
  if (kind === undefined) {
    return new T2IError('REMOTE_REFUSED', `${doing}: AWS refused: ${quoted} (${name})`, { cause });
  }
  const region = regionOf(error);
  const about = kind.about?.exec(quoted)?.[1] ?? region;
  return new T2IError(kind.code, `${doing}: ${kind.says}${about === undefined ? '' : ` (${about})`}`, {
    hint: kind.hint,
    cause,
    ...(kind.code === 'OPTION_INVALID'
      ? { issues: [{ option: 'AWS_REGION', expected: region ?? 'the region of the bucket', received: 'another' }] }
      : {}),
  });
}

/** Whether an object is missing in a bucket that is there. */
export function isMissingObject(error: unknown): boolean {
  return T2IError.is(error) && error.code === 'REMOTE_NOT_FOUND' && (error.cause as Error).name !== 'NoSuchBucket';
}

/** A text without the values that must not be told. */
export function redact(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

/** The system's code, AWS's name, or the number of the answer. */
function nameOf(error: unknown): string {
  if (!isRecord(error)) return 'Unknown';
  const code = codesOf(error).find((each) => /^E[A-Z_]+$/.test(each));
  if (code !== undefined) return code;
  const name = String(error.name ?? 'Unknown');
  // HEAD has no body, and a page of a proxy no name, so that the SDK knows nothing but the status.
  return name === 'Unknown' || name === 'Error' ? String(statusOf(error) ?? name) : name;
}

/** Of the system, Node or OpenSSL: its own, and that of its cause. */
function codesOf(error: unknown): string[] {
  const { code, cause } = isRecord(error) ? error : {};
  return [code, isRecord(cause) ? cause.code : undefined].map(String);
}

function kindOfStatus(error: unknown): (typeof KINDS)[number] | undefined {
  const status = String(statusOf(error));
  return KINDS.find(({ names }) => names.test(status));
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A proxy or a wrong address may answer with a page. */
function shorten(text: string): string {
  return (text.split('\n')[0] as string).slice(0, 2000);
}

function regionOf(error: unknown): string | undefined {
  const headers = (error as { $response?: { headers?: Record<string, string> } }).$response?.headers;
  return headers?.['x-amz-bucket-region'];
}

import { describeIssues, ERROR_CODES, type ErrorCode, type Issue, T2IError } from '../../errors.js';

/** The HTTP status of the error codes that are not the server's own failure, which is 500. */
const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  OPTION_INVALID: 400,
  MODEL_NOT_FOUND: 404,
  QUEUE_FULL: 429,
  BACKEND_UNAVAILABLE: 503,
  BACKEND_CRASHED: 503,
  DEVICE_LOST: 503,
  CLOSED: 503,
};

/** What only a server refuses, by the name that clients see as `code`. */
const REFUSALS = {
  unauthorized: 401,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  job_finished: 409,
  gone: 410,
  body_too_large: 413,
  media_type_unsupported: 415,
  idempotency_conflict: 422,
  cancelled: 499,
  queue_full: 429,
  draining: 503,
  queue_unavailable: 503,
  image_store_unavailable: 503,
  deadline_exceeded: 504,
} as const;

type RefusalCode = keyof typeof REFUSALS;

export interface RefusalOptions {
  readonly issues?: readonly Issue[] | undefined;
  readonly hint?: string | undefined;
  /** Whole seconds after which it is worth asking again. */
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
}

/** Why a request gets no answer but an error, in the terms of HTTP; each API writes it in its own shape. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly issues: readonly Issue[];
  readonly hint: string | undefined;
  readonly retryAfter: number | undefined;

  /** @param code an own name of the server in small letters, or a code of {@link T2IError} in small letters */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    options: RefusalOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.issues = options.issues ?? [];
    this.hint = options.hint;
    this.retryAfter = options.retryAfter;
  }
}

export function refusal(code: RefusalCode, message: string, options: RefusalOptions = {}): Refusal {
  return new Refusal(REFUSALS[code], code, message, options);
}

/** A request whose options are wrong, with every mistake. */
export function invalidRequest(issues: readonly Issue[]): Refusal {
  return new Refusal(400, 'option_invalid', describeIssues(issues), { issues });
}

/**
 * What went wrong as clients may read it. Of failures of the server they learn the kind alone: messages name its files, and are
 * for its log.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { code, message, issues, hint } = T2IError.is(error) ? error : new T2IError('INTERNAL', 'It has no code');
  const status = STATUS[code] ?? 500;
  const told = status < 500 ? { message, issues, hint } : { message: ERROR_CODES[code] };
  return new Refusal(status, code.toLowerCase(), told.message, {
    ...told,
    cause: error,
    ...(status === 503 && { retryAfter: 1 }),
  });
}

import { type ErrorCode, T2IError, type T2IErrorOptions } from '../errors.js';
import { certificateProblem } from './certificate.js';

/** When a failed request may be sent once more: `always` where the server surely did nothing with it. */
export type Again = 'always' | 'where idempotent' | 'never';

export interface HttpErrorOptions extends T2IErrorOptions {
  /** Null where no answer came. */
  readonly status: number | null;
  readonly again: Again;
  /** What the server asks to wait, in milliseconds. */
  readonly retryAfter?: number | undefined;
}

/** What went wrong with a request to a server: an error as users meet it, with what decides whether another try is worth it. */
export class HttpError extends T2IError {
  readonly status: number | null;
  readonly again: Again;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: HttpErrorOptions) {
    super(code, message, options);
    this.status = options.status;
    this.again = options.again;
    this.retryAfter = options.retryAfter;
  }
}

/** An answer that is a failure, in what its error is made of. */
export interface Refusal {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  /** What the server says about it; may be empty. */
  readonly said: string;
  readonly retryAfter?: number | undefined;
  readonly hint?: string | undefined;
}

/** The error of an answer whose status is no success. */
export function statusError({ method, url, status, said, retryAfter, hint }: Refusal): HttpError {
  const [code, again, remedy] = meaningOf(status);
  const message = `${method} ${plainAddress(url)} was answered with ${status}${said === '' ? '' : `: ${said}`}`;
  return new HttpError(code, message, { status, again, retryAfter, hint: hint ?? remedy });
}

/** The error of a request that got no whole answer. @param cause of `fetch`, or of the stream of the body */
export function networkError(method: string, url: string, cause: unknown): HttpError {
  const { code, message } = innermost(cause);
  const reason = code === undefined || message.includes(code) ? message : `${message} (${code})`;
  const failed = `${method} ${plainAddress(url)} failed`;
  const certificate = certificateProblem(code);
  if (certificate !== undefined) {
    const { says, hint } = certificate;
    return new HttpError('NETWORK_FAILED', `${failed}: ${says}: ${reason}`, {
      status: null,
      again: 'never',
      hint,
      cause,
    });
  }
  return new HttpError('NETWORK_FAILED', `${failed}: ${reason}`, {
    status: null,
    again: NEVER_SENT.has(code ?? '') ? 'always' : 'where idempotent',
    hint: 'Check the address, the network and the proxy.',
    cause,
  });
}

/** An address as it may be shown: signed ones carry a secret in their query, some a password. */
export function plainAddress(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return 'an address that is none';
  }
}

const NEVER_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

type Meaning = readonly [code: ErrorCode, again: Again, hint: string];

function meaningOf(status: number): Meaning {
  if (status === 401) return ['ACCESS_DENIED', 'never', 'Give a token that is valid, and may do this.'];
  if (status === 403) return ['ACCESS_DENIED', 'never', 'Ask for access, or give a token that may do this.'];
  if (status === 404 || status === 410) return ['REMOTE_NOT_FOUND', 'never', 'Check the name and the address.'];
  if (status === 409 || status === 412)
    return ['REMOTE_CONFLICT', 'never', 'Look at what is there now, then run this again.'];
  if (status === 429)
    return ['NETWORK_FAILED', 'always', 'The server asks for fewer requests: wait, then run this again.'];
  if (status >= 500 || status === 408)
    return ['NETWORK_FAILED', 'where idempotent', 'The server is in trouble: run this again later.'];
  return [
    'REMOTE_REFUSED',
    'never',
    'Read what the server says; the address or the version of the server may be the reason.',
  ];
}

function innermost(error: unknown): { code?: string | undefined; message: string } {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  // Of a host with several addresses, each of which failed.
  if (inner instanceof AggregateError && inner.errors[0] instanceof Error) inner = inner.errors[0];
  if (!(inner instanceof Error)) return { message: String(inner) };
  const { code } = inner as NodeJS.ErrnoException;
  return { code: typeof code === 'string' ? code : undefined, message: inner.message || inner.name };
}

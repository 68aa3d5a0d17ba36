import { isRecord } from '../fields.js';
import { readJson, readText } from './body.js';
import { networkError, statusError } from './http-error.js';
import { badRedirect, redirectTarget } from './redirect.js';
import { type RetryOptions, readRetryAfter, type Wait, withRetry } from './retry.js';

export interface HttpRequest {
  /** Default: GET. */
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array<ArrayBuffer> | Blob | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Statuses besides successes that are answers to the caller, not failures. */
  readonly expect?: readonly number[] | undefined;
  /** Sending it twice does no harm. Default: true for all methods but POST and PATCH. */
  readonly idempotent?: boolean | undefined;
  /** Tries in all. Default: 5. */
  readonly attempts?: number | undefined;
  /** Milliseconds until the answer begins. Default: a minute. */
  readonly timeout?: number | undefined;
  /** What to do about an answer with a status, where more is known than in general. */
  readonly hint?: ((status: number) => string | undefined) | undefined;
  readonly wait?: Wait | undefined;
}

const TIMEOUT = 60_000;
const MOST_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Headers that tell who asks: they go to the server that was asked, and to no other. */
const PRIVATE_HEADERS = /^(authorization|cookie|proxy-authorization|x-.*(token|key))$/i;
const LONGEST_REASON = 300;

/**
 * Sends a request, again where that may help, and follows redirects. Its body, where it has one, is still to be read.
 *
 * @throws T2IError NETWORK_FAILED, ACCESS_DENIED, REMOTE_NOT_FOUND, REMOTE_CONFLICT, REMOTE_REFUSED; the signal's reason when aborted
 */
export function request(url: string, options: HttpRequest = {}): Promise<Response> {
  return withRetry(() => send(url, options), retryOf(options));
}

/**
 * As {@link request}, and reads the answer, which is JSON; one that breaks off is asked for again.
 *
 * @param limit most bytes that are taken. Default: 32 MiB
 */
export function requestJson(url: string, options: HttpRequest = {}, limit?: number): Promise<unknown> {
  const { signal } = options;
  return withRetry(async () => readJson(await send(url, options), { limit, signal }), retryOf(options));
}

function retryOf({ method = 'GET', idempotent, signal, attempts, wait }: HttpRequest): RetryOptions {
  return { idempotent: idempotent ?? !['POST', 'PATCH'].includes(method), signal, attempts, wait };
}

/** One try. */
async function send(url: string, options: HttpRequest): Promise<Response> {
  const { method = 'GET', headers = {}, expect = [], hint } = options;
  const response = await follow(url, options);
  if (response.ok || expect.includes(response.status)) return response;
  const { status } = response;
  const retryAfter = readRetryAfter(response.headers.get('retry-after'));
  const said = withoutSecrets(await reasonOf(response), headers);
  throw statusError({ method, url, status, said, retryAfter, hint: hint?.(status) });
}

async function follow(url: string, options: HttpRequest): Promise<Response> {
  const { method = 'GET', headers = {} } = options;
  let [at, sent] = [url, headers];
  for (let hop = 0; ; hop++) {
    const response = await fetchOnce(at, { ...options, headers: sent });
    if (!REDIRECTS.includes(response.status) || options.expect?.includes(response.status)) return response;
    await response.body?.cancel();
    const to = redirectTarget(response.headers.get('location') ?? '', at, method);
    if (hop === MOST_REDIRECTS) throw badRedirect(method, url, `more than ${MOST_REDIRECTS} redirects`);
    if (new URL(to).origin !== new URL(at).origin) sent = withoutPrivate(sent);
    at = to;
  }
}

async function fetchOnce(url: string, { method = 'GET', headers = {}, body, signal, timeout = TIMEOUT }: HttpRequest) {
  const late = new AbortController();
  // Kept until the headers are there; how long the body takes is its reader's business.
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${timeout / 1000} s`)), timeout);
  const both = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
  try {
    return await fetch(url, { method, headers, redirect: 'manual', signal: both, ...(body !== undefined && { body }) });
  } catch (cause) {
    signal?.throwIfAborted();
    throw networkError(method, url, cause);
  } finally {
    clearTimeout(timer);
  }
}

function withoutPrivate(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.test(name)));
}

/** What a server says about a failure, in one short line; never a page. */
async function reasonOf(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message');
  if (header !== null) {
    await response.body?.cancel();
    return header.slice(0, LONGEST_REASON);
  }
  const text = await readText(response, { limit: 64 * 1024 }).catch(() => '');
  if (/^\s*</.test(text)) return 'an HTML page';
  return (messageIn(text) ?? text).replace(/\s+/g, ' ').trim().slice(0, LONGEST_REASON);
}

function messageIn(text: string): string | undefined {
  try {
    const json: unknown = JSON.parse(text);
    const found = isRecord(json) ? (json.error ?? json.message ?? json.Message) : undefined;
    const inner = isRecord(found) ? found.message : found;
    return typeof inner === 'string' ? inner : undefined;
  } catch {
    return undefined;
  }
}

/** A server may repeat what it was sent. */
function withoutSecrets(text: string, headers: Readonly<Record<string, string>>): string {
  const secrets = Object.entries(headers).flatMap(([name, value]) =>
    PRIVATE_HEADERS.test(name) ? secretsIn(value) : [],
  );
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}

function secretsIn(value: string): string[] {
  const [, scheme = '', rest = value] = /^(\w+) +(.+)$/.exec(value) ?? [];
  if (scheme.toLowerCase() !== 'basic') return [rest];
  const password = Buffer.from(rest, 'base64').toString().split(':').slice(1).join(':');
  return [rest, password].filter((secret) => secret !== '');
}

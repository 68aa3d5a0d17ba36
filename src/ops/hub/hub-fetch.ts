import { request } from '../../http/request.js';

/** Sending a part of a large file is no answer until all of it is there. */
const LONGEST_UPLOAD = 60 * 60_000;
/** What asks and changes nothing though it is a POST; to make a commit twice would make two. */
const ASKS = /\/(preupload\/[^/]+|objects\/batch|paths-info\/[^/]+)$/;

/**
 * A `fetch` for @huggingface/hub, which neither retries nor knows this package's errors.
 *
 * @param hint what to do about an answer with a status
 */
export function hubFetch(signal: AbortSignal, hint: (status: number) => string | undefined): typeof fetch {
  return (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const { method = 'GET', body } = init;
    const idempotent = method !== 'POST' || ASKS.test(new URL(url).pathname);
    return request(url, {
      method,
      headers: Object.fromEntries(new Headers(init.headers)),
      body: (body ?? undefined) as string | Blob | undefined,
      idempotent,
      signal,
      hint,
      ...(method === 'PUT' && { timeout: LONGEST_UPLOAD }),
    });
  };
}

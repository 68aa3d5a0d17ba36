import { HttpError, plainAddress } from './http-error.js';

/**
 * Where a redirect leads.
 *
 * @param location as the header says it
 * @throws T2IError REMOTE_REFUSED where it may not be followed: to something else than a server, from an encrypted connection to
 *   an open one, to where a cloud's machines get their credentials, or with anything that is sent
 */
export function redirectTarget(location: string, from: string, method: string): string {
  const to = URL.canParse(location, from) ? new URL(location, from) : null;
  if (to === null || !/^https?:$/.test(to.protocol)) throw badRedirect(method, from, 'a redirect to no web address');
  if (to.protocol === 'http:' && from.startsWith('https:'))
    throw badRedirect(method, from, 'a redirect without encryption');
  if (isLinkLocal(to.hostname) && !isLinkLocal(new URL(from).hostname))
    throw badRedirect(method, from, 'a redirect to an address of this machine alone');
  if (!['GET', 'HEAD'].includes(method)) throw badRedirect(method, from, `a redirect to ${plainAddress(to.href)}`);
  return to.href;
}

/** Addresses that a cloud's machines ask for their own credentials. */
function isLinkLocal(host: string): boolean {
  return /^169\.254\./.test(host) || /^\[f(e[89ab]|d00:ec2)/i.test(host);
}

/** @param what was received */
export function badRedirect(method: string, url: string, what: string): HttpError {
  return new HttpError('REMOTE_REFUSED', `${method} ${plainAddress(url)} was answered with ${what}`, {
    status: null,
    again: 'never',
    hint: 'Check the address of the server; a proxy may have answered in its place.',
  });
}

import type { MiddlewareHandler } from 'hono';
import { hostnameOf, requestIdOf } from './headers.js';
import { type ApiKeys, keyOf } from './keys.js';
import type { RequestVariables } from './operation.js';
import { refusal } from './refusal.js';

type Guard = MiddlewareHandler<{
  Variables: RequestVariables;
  Bindings: { incoming?: { socket?: { remoteAddress?: string } } };
}>;

/** Gives every request an id, which is its own where it is a plain one, and every answer too. */
export const requestId: Guard = async (c, next) => {
  const id = requestIdOf(c.req.header('x-request-id'));
  c.set('requestId', id);
  await next();
  c.header('x-request-id', id);
};

/** Lets in who has a key; whether it is wrong or missing is not told. */
export function authenticate(keys: ApiKeys | null, isOpen: (method: string, path: string) => boolean): Guard {
  return async (c, next) => {
    const address = c.env?.incoming?.socket?.remoteAddress ?? 'local';
    const key = keys && keyOf(c.req.raw.headers);
    const name = keys && key ? keys.nameOf(key) : null;
    c.set('caller', name ?? address);
    if (keys !== null && name === null && !isOpen(c.req.method, c.req.path)) {
      throw refusal('unauthorized', 'A valid API key is needed', { hint: 'Send it as "Authorization: Bearer KEY".' });
    }
    await next();
  };
}

/**
 * Refuses names of this host other than the expected: a page of another site could point its own name at this machine and read
 * what is answered to it (DNS rebinding).
 *
 * @param hosts names without port, in small letters
 */
export function checkHost(hosts: readonly string[]): Guard {
  return async (c, next) => {
    const host = hostnameOf(c.req.header('host')) ?? '';
    if (!hosts.includes(host)) {
      throw refusal('host_not_allowed', `This server does not answer as ${JSON.stringify(host)}`);
    }
    await next();
  };
}

/** Refuses what a page of another site sends, unless it may. Programs that are no browsers send no origin. */
export function checkOrigin(origins: readonly string[]): Guard {
  return async (c, next) => {
    const origin = c.req.header('origin');
    if (origin !== undefined && !origins.includes(origin) && !isSameOrigin(origin, c.req.header('host'))) {
      throw refusal('origin_not_allowed', 'Pages of this origin may not use this server', {
        hint: 'Start it with --cors ORIGIN.',
      });
    }
    await next();
  };
}

/** A page's own requests carry its origin, too; the scheme may differ behind a proxy. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && origin.replace(/^https?:\/\//, '').toLowerCase() === host.toLowerCase();
}

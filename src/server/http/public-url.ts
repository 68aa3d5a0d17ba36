import type { RequestContext } from './operation.js';

const HOST = /^[\w.-]+(?::\d{1,5})?$/;

/** The address of a path as the client sees this server: what a proxy says of it decides nothing but what its client is answered. */
export function publicUrl(context: RequestContext, path: string): string {
  const url = new URL(path, context.req.url);
  const [host = '', proto] = ['x-forwarded-host', 'x-forwarded-proto'].map((name) => context.req.header(name));
  if (proto === 'http' || proto === 'https') url.protocol = proto;
  if (HOST.test(host)) url.host = host;
  return url.href;
}

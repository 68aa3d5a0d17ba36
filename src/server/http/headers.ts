import { randomUUID } from 'node:crypto';

/** What every answer says; pages of the server say more of themselves. */
export const ANSWER_HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' } as const;

const REQUEST_ID = /^[\w.-]{1,100}$/;

/** The id of a request: its own where that is a plain one, else a new one. */
export function requestIdOf(own: string | undefined): string {
  return own !== undefined && REQUEST_ID.test(own) ? own : `req_${randomUUID().replaceAll('-', '')}`;
}

/** The name of a Host header without its port, in small letters. */
export function hostnameOf(host: string | undefined): string | null {
  const name = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::\d+)?$/i.exec(host ?? '')?.[1];
  return name?.toLowerCase() ?? null;
}

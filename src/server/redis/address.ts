import type { Issue } from '../../errors.js';

/** Where a Redis is. */
export interface RedisOptions {
  /** `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. It is never logged. */
  readonly url: string;
  /** Whether this process draws, too, and does not only ask others to. Default: true. */
  readonly draws?: boolean | undefined;
  /** Milliseconds after which others draw on what a process had that is silent. Default: 10 seconds. */
  readonly lock?: number | undefined;
}

const EXPECTED = 'an address such as redis://HOST:6379/0, or rediss:// for TLS';

/** What is wrong with an address; it is not quoted, since it may hold a password. */
export function addressIssues(option: string, url: unknown): Issue[] {
  const parsed = typeof url === 'string' ? parse(url) : null;
  const isRedis = parsed !== null && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== '';
  if (isRedis && /^\/?\d{0,4}$/.test(parsed.pathname) && parsed.search === '') return [];
  return [{ option, expected: EXPECTED, received: 'something else' }];
}

/** Whether it names a user or a password. */
export function hasSecret(url: string): boolean {
  const parsed = parse(url);
  return parsed !== null && (parsed.username !== '' || parsed.password !== '');
}

/** The address for messages: host and port alone. */
export function plainHost(url: string): string {
  return parse(url)?.host ?? 'an unknown address';
}

function parse(url: string): URL | null {
  try {
    return new URL(url);
  } catch {
    return null;
  }
}

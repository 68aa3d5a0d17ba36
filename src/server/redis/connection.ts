import type { Redis } from 'ioredis';
import { T2IError } from '../../errors.js';
import { plainHost } from './address.js';

type BullMq = typeof import('bullmq');

/** The packages of a shared queue, which only those install who share one. */
export interface RedisPackages {
  readonly bullmq: BullMq;
  readonly Redis: typeof Redis;
}

/**
 * Loads the packages that a shared queue needs.
 *
 * @param load tests give another one
 * @throws T2IError BACKEND_UNAVAILABLE with the command that installs them
 */
export async function loadPackages(
  load: () => Promise<RedisPackages> = async () => ({
    bullmq: await import('bullmq'),
    Redis: (await import('ioredis')).Redis,
  }),
): Promise<RedisPackages> {
  try {
    return await load();
  } catch (cause) {
    throw new T2IError('BACKEND_UNAVAILABLE', 'A queue in Redis needs the packages bullmq and ioredis', {
      hint: 'Run: npm i bullmq ioredis',
      cause,
    });
  }
}

/** How a connection meets an outage. */
export type Patience =
  /** Commands fail at once where Redis is away: somebody waits for an answer. */
  | 'fails'
  /** Commands wait until Redis is back: what they bring must not be lost. */
  | 'waits';

const OPTIONS = {
  fails: { enableOfflineQueue: false, maxRetriesPerRequest: 0 },
  waits: { enableOfflineQueue: true, maxRetriesPerRequest: null },
} as const;

/** Milliseconds between two tries to connect again, at most. */
const SLOWEST_RETRY = 2000;
/** More milliseconds than any command may block. */
const SILENCE = 15_000;
/** The oldest version that has all commands. */
const OLDEST = [6, 2] as const;

/**
 * Connects to a Redis. A connection that breaks off later is made again by itself.
 *
 * @param silence milliseconds without the answer to a command after which a connection counts as broken
 * @throws T2IError NETWORK_FAILED where it cannot be reached or does not let us in; BACKEND_UNAVAILABLE where it is too old
 */
export async function connect(
  { Redis }: RedisPackages,
  url: string,
  patience: Patience,
  silence: number = SILENCE,
): Promise<Redis> {
  const client = new Redis(url, {
    ...OPTIONS[patience],
    lazyConnect: true,
    connectionName: 't2i',
    socketTimeout: silence,
    retryStrategy: (times) => Math.min(times * 100, SLOWEST_RETRY),
  });
  let problem: Error | null = null;
  // Without a listener they are printed, and each command tells its own.
  client.on('error', (error: Error) => {
    problem = error;
  });
  try {
    await client.connect();
    // Where it asks for a password, this is the first to learn of it.
    checkVersion(await client.info('server'));
    return client;
  } catch (error) {
    client.disconnect();
    if (T2IError.is(error)) throw error;
    const reason = problem ?? (error as Error);
    throw new T2IError('NETWORK_FAILED', `Cannot use Redis at ${plainHost(url)}: ${reasonOf(reason)}`, {
      hint: 'Check that it runs, and its address; the one with a password goes into T2I_REDIS_URL or a file (--redis-file).',
    });
  }
}

/**
 * @param info what Redis says of itself
 * @throws T2IError BACKEND_UNAVAILABLE where it is too old
 */
export function checkVersion(info: string): void {
  const [, version = 'unknown', major, minor] = /^redis_version:((\d+)\.(\d+)[^\s]*)/m.exec(info) ?? [];
  const [oldest, oldestMinor] = OLDEST;
  if (Number(major) > oldest || (Number(major) === oldest && Number(minor) >= oldestMinor)) return;
  throw new T2IError(
    'BACKEND_UNAVAILABLE',
    `A shared queue needs Redis ${OLDEST.join('.')} or newer; this is ${version}`,
    {
      hint: 'Run a newer Redis.',
    },
  );
}

/** Resolves when the connection can be used again; at once where it can. */
export async function reconnected(client: Redis): Promise<void> {
  if (client.status === 'ready' || client.status === 'end') return;
  await new Promise<void>((resolve) => {
    client.once('ready', resolve);
    client.once('end', resolve);
  });
}

/** The words of an error that several tries may have made, without its command, whose arguments may be secret. */
function reasonOf(error: Error): string {
  const inner = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  return (inner.message || inner.name).split('\n')[0] as string;
}

import type { Issue } from '../../errors.js';
import { refuse } from '../../fields.js';
import { addressIssues, hasSecret } from '../../server/redis/address.js';
import { needlessFlag } from '../actions.js';
import type { CommandInput, Flag } from '../command.js';
import { parseDuration } from '../quantities.js';
import { readTextFile } from '../text-file.js';
import { flagReader, TIMES } from './model-flags.js';

/** Where the address stands that no flag names: one with a password belongs there. */
const VARIABLE = 'T2I_REDIS_URL';

export const REDIS_FLAGS: readonly Flag[] = [
  {
    flags: '--redis <url>',
    description: `share the queue over a Redis, for example redis://HOST:6379; one with a password in ${VARIABLE} or a file`,
    sets: ['redis.url'],
  },
  { flags: '--redis-file <file>', description: 'the same, with the address in a file' },
  {
    flags: '--redis-lock <time>',
    description: 'how long others wait before they draw on what a silent process had (default: 10s)',
    sets: ['redis.lock'],
  },
];

/**
 * What the flags say of a Redis; undefined for none.
 *
 * @throws T2IError OPTION_INVALID, IO_FAILED
 */
export async function readRedisFlags(
  flags: CommandInput['flags'],
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly url: string; readonly lock: number | undefined } | undefined> {
  const issues: Issue[] = [];
  const lock = flagReader(flags, issues)('--redis-lock', 'redisLock', parseDuration, TIMES);
  refuse(issues);
  const url = await readRedisUrl(flags, env);
  if (url !== undefined) return { url, lock };
  if (lock !== undefined) refuse([needlessFlag('redisLock', `without --redis, --redis-file or ${VARIABLE}`)]);
  return undefined;
}

/**
 * The address of the Redis: that of a flag, else of the environment; undefined for none.
 *
 * @throws T2IError OPTION_INVALID, IO_FAILED
 */
async function readRedisUrl(
  { redis, redisFile }: CommandInput['flags'],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (typeof redis === 'string') {
    const secret = {
      option: '--redis',
      expected: `no password; set ${VARIABLE}, or use --redis-file`,
      received: 'one',
    };
    const twice = { option: '--redis-file', expected: 'nothing beside --redis', received: 'a file' };
    refuse([
      ...addressIssues('--redis', redis),
      // Who lists the processes of the machine sees the values of flags.
      ...(hasSecret(redis) ? [secret] : []),
      ...(redisFile === undefined ? [] : [twice]),
    ]);
    return redis;
  }
  if (typeof redisFile === 'string') {
    const url = (await readTextFile(redisFile)).trim();
    refuse(addressIssues('--redis-file', url));
    return url;
  }
  const url = env[VARIABLE] || undefined;
  if (url !== undefined) refuse(addressIssues(VARIABLE, url));
  return url;
}

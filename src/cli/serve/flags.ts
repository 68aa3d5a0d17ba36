import { isS3Address, s3AddressIssues } from '../../aws/s3-address.js';
import type { Issue } from '../../errors.js';
import { describeValue, integer, refuse } from '../../fields.js';
import { absolutePath } from '../../files.js';
import { linesOfKeys } from '../../server/http/keys.js';
import type { ListenOptions } from '../../server/listen.js';
import type { ServerOptions } from '../../server/options.js';
import type { CommandInput } from '../command.js';
import { toNumber } from '../load-flags.js';
import { parseDuration } from '../quantities.js';
import { readTextFile } from '../text-file.js';
import { readLimitFlags } from './limit-flags.js';
import { flagReader, listOf, readServedModelFlags, TIMES } from './model-flags.js';
import { readRedisFlags } from './redis-flags.js';

const HOUR = 3_600_000;
/** Names of this machine that only it understands. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * What the flags of `t2i serve` say.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`; IO_FAILED where the file of keys cannot be read
 */
export async function readServeFlags(
  { flags }: CommandInput,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ server: ServerOptions; listen: ListenOptions }> {
  const issues: Issue[] = [];
  const read = flagReader(flags, issues);
  const port = (value: unknown) => {
    const number = toNumber(value);
    return integer(0, 65_535).accepts(number) ? (number as number) : null;
  };
  const ports = 'an integer from 0 to 65535';
  const host = typeof flags.host === 'string' ? flags.host : '127.0.0.1';
  const isLocal = LOOPBACK.includes(host) || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  if (!isLocal && flags.apiKeyFile === undefined && flags.insecure !== true) {
    const expected = `a loopback address, or --api-key-file, or --insecure to let in everybody who reaches ${host}`;
    issues.push({ option: '--host', expected, received: describeValue(host) });
  }
  const ttl = read('--ttl', 'ttl', parseDuration, TIMES);
  if (flags.ttl !== undefined && flags.imageStore === undefined) {
    issues.push({ option: '--ttl', expected: 'nothing without --image-store', received: describeValue(flags.ttl) });
  }
  if (typeof flags.imageStore === 'string' && isS3Address(flags.imageStore)) {
    issues.push(...s3AddressIssues(flags.imageStore, '--image-store'));
  }
  const server: ServerOptions = {
    ...readServedModelFlags(flags, issues),
    queue: toNumber(flags.queue) as number | undefined,
    limits: readLimitFlags(flags, issues),
    cors: listOf(flags.cors),
    hosts: isLocal ? [...LOOPBACK, host] : undefined,
    logPrompts: flags.logPrompts === true,
    ...(typeof flags.imageStore === 'string' && { imageStore: { ...placeOf(flags.imageStore), ttl: ttl ?? HOUR } }),
  };
  const listen: ListenOptions = {
    host,
    port: read('--port', 'port', port, ports),
    adminPort: read('--admin-port', 'adminPort', port, ports),
  };
  refuse(issues);
  const apiKeys = typeof flags.apiKeyFile === 'string' ? linesOfKeys(await readTextFile(flags.apiKeyFile)) : undefined;
  const shared = await readRedisFlags(flags, env);
  if (shared === undefined && flags.worker === false) {
    refuse([{ option: '--no-worker', expected: 'nothing without --redis', received: 'no worker' }]);
  }
  const redis = shared && { ...shared, draws: flags.worker !== false };
  return { server: { ...server, apiKeys, redis }, listen };
}

/** Where images are kept: an address in S3, else a folder. */
function placeOf(place: string): { readonly s3: string } | { readonly dir: string } {
  return isS3Address(place) ? { s3: place } : { dir: absolutePath(place) };
}

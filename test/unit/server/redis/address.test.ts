import { describe, expect, it } from 'vitest';
import { addressIssues, hasSecret, plainHost } from '../../../../src/server/redis/address.js';

describe('the address of a Redis', () => {
  it.each([
    ...['redis://here', 'redis://here:6379', 'rediss://here', 'redis://here/', 'redis://here/0', 'redis://here/9999'],
    ...['redis://name:word@here:1/12', 'redis://:word@127.0.0.1', 'redis://[::1]:6379'],
  ])('may be %s', (url) => expect(addressIssues('redis', url)).toEqual([]));

  it.each([
    ...['http://here', 'unix://here', 'xredis://here', 'redisss://here', 'here', 'redis://', 'redis:///0', ''],
    ...['redis://here/x', 'redis://here/12345', 'redis://here/0/1', 'redis://here/1x', 'redis://here?db=1'],
    ...[7, null, undefined, ['redis://here']],
  ])('may not be %j, which is not quoted', (url) => {
    const expected = expect.stringContaining('redis://HOST:6379/0');
    expect(addressIssues('redis.url', url)).toEqual([{ option: 'redis.url', expected, received: 'something else' }]);
  });

  it.each<[url: string, secret: boolean, host: string]>([
    ['redis://here:1/2', false, 'here:1'],
    ['redis://name@here', true, 'here'],
    ['redis://:word@here:1', true, 'here:1'],
    ['no address', false, 'an unknown address'],
  ])('%s has a secret: %s, and is told as its host', (url, secret, host) => {
    expect([hasSecret(url), plainHost(url)]).toEqual([secret, host]);
  });
});

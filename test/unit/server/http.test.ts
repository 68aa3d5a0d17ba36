import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode, T2IError } from '../../../src/errors.js';
import { askerOf } from '../../../src/server/http/asker.js';
import { hostnameOf } from '../../../src/server/http/headers.js';
import { jsonBody, jsonLines } from '../../../src/server/http/json-body.js';
import { ApiKeys, keyOf } from '../../../src/server/http/keys.js';
import { ServerLimits } from '../../../src/server/http/limits.js';
import type { RequestContext } from '../../../src/server/http/operation.js';
import { publicUrl } from '../../../src/server/http/public-url.js';
import { Refusal, refusalOf } from '../../../src/server/http/refusal.js';
import { readBody, wire } from '../../../src/server/http/wire.js';
import { memoryServer } from '../../support/memory-server.js';
import { LIMITS } from '../../support/request-limits.js';

/** What comes of a request, or what it is refused with. */
async function of<T>(
  init: RequestInit,
  read: (context: RequestContext) => T | Promise<T>,
  address = 'http://here:8080/x',
): Promise<T | Refusal> {
  let found: T | Refusal | undefined;
  const app = new Hono().all('*', async (c) => {
    found = await Promise.resolve(read(c as unknown as RequestContext)).catch((error) => error);
    return c.text('');
  });
  await app.request(address, init);
  return found as T | Refusal;
}
const post = (body: string, type = 'application/json') => ({ method: 'POST', body, headers: { 'content-type': type } });
const lines = (context: RequestContext) => jsonLines(context, (json) => json);
const issue = (option: string, expected: string, received: string) => ({ option, expected, received });

describe('the time that a request waits', () => {
  it.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ 'x-request-timeout': '2.5' }, 2500],
    [{ 'x-stainless-timeout': '600' }, 600_000],
    [{ 'x-request-timeout': '1', 'x-stainless-timeout': '600' }, 1000],
    [{ 'x-request-timeout': '0' }, undefined],
    [{ 'x-request-timeout': '-3' }, undefined],
    [{ 'x-request-timeout': 'soon' }, undefined],
  ])('by %j is %s ms', async (headers, expected) => {
    const asker = await of({ headers }, (context) => askerOf(context, 'openai'));
    expect(asker).toMatchObject({ api: 'openai', signal: expect.any(AbortSignal) });
    expect(asker).toHaveProperty('timeout', expected);
  });
});

describe('a body of JSON', () => {
  it.each([
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/vnd.api+json',
    'application/a-b.c+json',
  ])('is read as %s', async (type) => expect(await of(post('{"a":1}', type), jsonBody)).toEqual({ a: 1 }));

  it.each(['', 'text/plain', 'application/jsonp', 'text/application/json', 'application/x/y+json'])(
    'is refused as %j, with what to send',
    async (type) => {
      const refused = await of(post('{}', type), jsonBody);
      expect(refused).toMatchObject({
        ...{ status: 415, code: 'media_type_unsupported' },
        hint: expect.stringContaining('Content-Type: application/json'),
      });
    },
  );

  it('that is none is refused without being quoted', async () => {
    expect(await of(post('{"secret'), jsonBody)).toMatchObject({
      ...{ status: 400, code: 'option_invalid', issues: [issue('body', 'JSON', 'other text, of length 8')] },
    });
  });

  it('in lines may end them as Windows does, and leave some empty', async () => {
    expect(await of(post('{"a":1}\r\n\n  {"a":2}  \n', 'text/plain'), lines)).toEqual([{ a: 1 }, { a: 2 }]);
  });

  it('in lines is refused with every line that is none, as they are counted', async () => {
    expect(await of(post('{"a":1}\n{\n\n {"b \n'), lines)).toMatchObject({
      status: 400,
      issues: [issue('line 2', 'JSON', 'other text, of length 1'), issue('line 4', 'JSON', 'other text, of length 3')],
    });
    const broken = [issue('line 1', 'JSON', 'other text, of length 1')];
    expect(await of(post('{'), lines)).toHaveProperty('issues', broken);
    const none = [issue('body', 'at least one line', 'none')];
    for (const body of ['', ' \n\n']) expect((await of(post(body), lines)) as Refusal).toMatchObject({ issues: none });
  });

  it.each([new TypeError('a mistake of the code'), new Refusal(503, 'draining', 'no more')])(
    'in lines ends by what is no mistake in a line: %s',
    async (error) => {
      const read = () => {
        throw error;
      };
      expect(await of(post('{"a":1}'), (context) => jsonLines(context, read))).toBe(error);
    },
  );
});

describe('the fields of a body', () => {
  const schema = z.object({
    size: wire.integer(1, 8),
    name: wire.text(3).optional(),
    steps: wire.integer(1, 9).default(4),
    parts: z.array(wire.integer(1, 8)).optional(),
    place: z.object({ at: wire.number(0, 1), by: wire.oneOf(['a', 'b']) }).optional(),
  });

  it('are taken as they are, with what holds for those that are left out', () => {
    expect(readBody(schema, { size: 3, parts: [1, 2] })).toEqual({
      ...{ value: { size: 3, steps: 4, parts: [1, 2] }, issues: [] },
    });
    expect(Object.keys(readBody(schema, { size: 3 }).value)).toEqual(['size', 'steps']);
  });

  it('are refused one by one, each once, by their places, while the others are kept', () => {
    const { value, issues } = readBody(schema, {
      ...{ name: 'long', steps: 2, parts: [1, 9.5, 'x'], place: { at: 2 }, siez: 1 },
    });
    expect(value).toEqual({ steps: 2 });
    expect(issues).toEqual([
      issue('name', 'text of at most 3 characters', '"long"'),
      issue('parts.1', 'an integer from 1 to 8', '9.5'),
      issue('parts.2', 'an integer from 1 to 8', '"x"'),
      issue('place.at', 'a number from 0 to 1', '2'),
      issue('place.by', 'one of a, b', 'nothing'),
      expect.objectContaining({ option: 'siez', problem: expect.stringContaining('size') }),
      issue('size', 'an integer from 1 to 8', 'nothing'),
    ]);
  });

  it.each([[null], [[]], ['text'], [3]])('are no fields in %j', (body) => {
    expect(readBody(schema, body)).toMatchObject({
      value: {},
      issues: [{ option: 'body', expected: 'a JSON object' }],
    });
  });

  it('are told of the first mistake of each place', () => {
    const pattern = z.object({ a: z.string().max(1, { error: 'short' }).regex(/^b/, { error: 'b' }) });
    expect(readBody(pattern, { a: 'ccc' }).issues).toEqual([issue('a', 'short', '"ccc"')]);
  });

  it('have no names of the language', () => {
    expect(readBody(schema, { size: 1, constructor: 1 }).issues).toMatchObject([{ option: 'constructor' }]);
  });
});

describe('a body', () => {
  it.each<[string, object, readonly string[]]>([
    ['both sides are wrong alike', { size: '1x1' }, ['size']],
    ['they are not', { size: '1x2' }, ['size', 'size']],
  ])('whose size is wrong is told once, or for each side where %s', async (_, wrong, params) => {
    const server = await memoryServer();
    const { body } = await server.post('/v1/images/generations', { prompt: 'x', ...wrong });
    expect(body.error.issues.map(({ param }: { param: string }) => param)).toEqual(params);
  });

  it('that is empty is nothing', async () => {
    const server = await memoryServer();
    const headers = { 'content-type': 'application/json' };
    const response = await server.app.request('/v1/images/generations', { method: 'POST', headers, body: '' });
    expect(await response.text()).toContain('body: expected JSON, received nothing');
  });
});

describe('keys', () => {
  it.each<[Record<string, string>, string | null]>([
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bearer   abc' }, 'abc'],
    [{ authorization: 'Bearer abc def' }, null],
    [{ authorization: ', Bearer abc' }, null],
    [{ authorization: `Basic ${btoa('me:a:b')}` }, 'a:b'],
    [{ authorization: `Basic ${btoa('abc')}` }, 'abc'],
    [{ authorization: 'Digest abc' }, null],
    [{ authorization: 'Digest abc', 'x-api-key': 'of mine' }, 'of mine'],
    [{}, null],
  ])('are found in %j', (headers, key) => expect(keyOf(new Headers(headers))).toBe(key));

  it('of 16 characters are long enough, and named by 8 digits of their hash', () => {
    const key = 'x'.repeat(16);
    const { keys, issues } = ApiKeys.read([key, 'y'.repeat(15), `z ${key}`]);
    expect([keys.count, issues.map(({ option }) => option)]).toEqual([3, ['key 2', 'key 3']]);
    expect(keys.nameOf(key)).toBe(`key-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`);
    expect(keys.nameOf('other')).toBeNull();
  });
});

describe('names of hosts', () => {
  it.each([
    ['Example.org:80', 'example.org'],
    ['[::1]:80', '[::1]'],
    ['evil.example/x', null],
    ['@localhost', null],
    ['localhost:80:90', null],
    ['', null],
    [undefined, null],
  ])('of %j are %j', (host, name) => expect(hostnameOf(host)).toBe(name));

  it.each<[Record<string, string>, string]>([
    [{}, 'http://here:8080/v1/jobs/1'],
    [{ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'images.example' }, 'https://images.example:8080/v1/jobs/1'],
    [
      { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'images.example:444' },
      'https://images.example:444/v1/jobs/1',
    ],
    [{ 'x-forwarded-proto': 'http' }, 'http://here:8080/v1/jobs/1'],
    [{ 'x-forwarded-proto': 'ftp', 'x-forwarded-host': 'a/b' }, 'http://here:8080/v1/jobs/1'],
  ])('behind a proxy that says %j give the address %s', async (headers, address) => {
    expect(await of({ headers }, (context) => publicUrl(context, '/v1/jobs/1'))).toBe(address);
  });

  it('of a server behind a proxy are by the scheme that the proxy was asked by', async () => {
    const read = (context: RequestContext) => publicUrl(context, '/v1/jobs/1');
    const headers = { 'x-forwarded-proto': 'http' };
    expect(await of({ headers }, read, 'https://here/x')).toBe('http://here/v1/jobs/1');
    expect(await of({}, read, 'https://here/x')).toBe('https://here/v1/jobs/1');
  });

  it('that are not expected are told as they were read', async () => {
    const server = await memoryServer({ hosts: ['localhost'] });
    const message = async (host: string) => (await server.get('/v1/models', { host })).body.error.message;
    expect(await message('Evil.example:80')).toMatch(/"evil\.example"/);
    expect(await message('a/b')).toMatch(/""/);
  });

  it('of a page are the same by whichever scheme it was reached, and of no other page', async () => {
    const server = await memoryServer();
    const status = async (headers: Record<string, string>) => (await server.get('/v1/models', headers)).status;
    expect(await status({ host: 'a.example', origin: 'https://A.example' })).toBe(200);
    expect(await status({ host: 'a.example', origin: 'https://b.example/http://a.example' })).toBe(403);
    expect(await status({ host: 'xa.example', origin: 'xhttps://a.example' })).toBe(403);
    expect(await status({ origin: 'https://a.example' })).toBe(403);
    const refused = await server.get('/v1/models', { host: 'a.example', origin: 'https://b.example' });
    expect(refused.body.error).toMatchObject({ code: 'origin_not_allowed', hint: expect.stringContaining('--cors') });
  });
});

describe('what a client is told of an error', () => {
  const error = (code: ErrorCode) =>
    new T2IError(code, 'of /secret/place', { issues: [issue('a', 'b', 'c')], hint: 'look there' });

  it('is all of its own mistakes, and of the others that they are there', () => {
    const mine = error('OPTION_INVALID');
    expect(refusalOf(mine)).toMatchObject({
      ...{ status: 400, code: 'option_invalid', message: 'of /secret/place', issues: mine.issues, hint: 'look there' },
      ...{ cause: mine, retryAfter: undefined },
    });
    for (const [code, status, retryAfter] of [
      ['IO_FAILED', 500, undefined],
      ['BACKEND_CRASHED', 503, 1],
    ] as const) {
      const refused = refusalOf(error(code));
      expect(refused).toMatchObject({ status, code: code.toLowerCase(), retryAfter, issues: [], hint: undefined });
      expect(refused.message).toBe(ERROR_CODES[code]);
    }
  });

  it('is nothing of what has no code', () => {
    const cause = new TypeError('secret');
    const refused = refusalOf(cause);
    expect(refused).toMatchObject({ status: 500, code: 'internal', cause });
    expect(refused.message).toBe(ERROR_CODES.INTERNAL);
  });

  it('is what the server itself refused', () => {
    const refused = new Refusal(409, 'job_finished', 'it is over');
    expect(refusalOf(refused)).toBe(refused);
    expect([refused.issues, 'cause' in refused]).toEqual([[], false]);
  });
});

describe('the limits of a server', () => {
  it.each([
    ['width', { width: 2049, height: 64 }],
    ['height', { width: 64, height: 2049 }],
  ])('are refused where a model draws a larger %s unless it is told otherwise', (_, nativeSize) => {
    const model = { ...LIMITS, nativeSize };
    expect(new ServerLimits().issuesWith('m', model)).toEqual([
      issue('limits.side', 'at least 2049, the default of m', '2048'),
    ]);
    expect(new ServerLimits({ side: 2049 }).issuesWith('m', model)).toEqual([]);
  });
});

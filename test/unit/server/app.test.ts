import { afterEach, describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { createApp } from '../../../src/server/app.js';
import { ApiKeys } from '../../../src/server/http/keys.js';
import type { Dialect, Operation } from '../../../src/server/http/operation.js';
import { Refusal, refusal } from '../../../src/server/http/refusal.js';
import { createLog } from '../../../src/server/log.js';
import { ServerMetrics } from '../../../src/server/metrics.js';

type Options = Partial<Parameters<typeof createApp>[0]>;

/** An app of some routes, and what it logs. */
function appOf(operations: readonly Partial<Operation>[], options: Options = {}) {
  const lines: string[] = [];
  const dialect: Dialect = {
    ...{ name: 'mine', owns: () => true, errorSchema: undefined as never },
    errorBody: ({ code, message }, id) => ({ code, message, id }),
    operations: operations.map((each) => ({
      ...{ method: 'get', path: '/x', summary: '', answer: { status: 200, content: [] } },
      ...{ handle: (context) => context.json('here') },
      ...each,
    })) as Operation[],
  };
  const app = createApp({
    ...{ dialects: [dialect], keys: null, hosts: null, origins: [], bodyBytes: 1000 },
    ...{ metrics: new ServerMetrics(() => ({ length: 0, running: 0 })) },
    log: createLog({ write: (line) => void lines.push(line) }),
    ...options,
  });
  const ask = async (path: string, init?: RequestInit) => {
    const response = await app.request(path, init);
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? '' : JSON.parse(text) };
  };
  return { ask, app, logged: () => lines.map((line) => JSON.parse(line)) };
}

const failing = (error: unknown) => ({
  handle: () => {
    throw error;
  },
});
/** What a refusal says in its headers. */
const told = ({ headers }: { headers: Headers }) =>
  Object.fromEntries(
    ['retry-after', 'www-authenticate', 'x-should-retry', 'content-type'].map((name) => [name, headers.get(name)]),
  );

describe('an answer', () => {
  it('has the id of its request, and is kept and guessed at by nobody', async () => {
    const { ask } = appOf([{}]);
    const { headers, body } = await ask('/x', { headers: { 'x-request-id': 'mine' } });
    expect(body).toBe('here');
    expect(['x-request-id', 'x-content-type-options', 'cache-control'].map((name) => headers.get(name))).toEqual([
      ...['mine', 'nosniff', 'no-store'],
    ]);
    const refused = await ask('/none', { headers: { 'x-request-id': 'mine' } });
    expect(refused.body.id).toBe('mine');
    expect(refused.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('may say of itself that it is kept', async () => {
    const { ask } = appOf([{ handle: (context) => context.json(1, 200, { 'cache-control': 'no-cache' }) }]);
    expect((await ask('/x')).headers.get('cache-control')).toBe('no-cache');
  });
});

describe('what is measured of an answer', () => {
  afterEach(() => vi.useRealTimers());

  it('is the seconds until it began', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    vi.advanceTimersByTime(5000);
    const metrics = new ServerMetrics(() => ({ length: 0, running: 0 }));
    const handle: Operation['handle'] = (context) => {
      vi.advanceTimersByTime(250);
      return context.json('here');
    };
    await appOf([{ handle }], { metrics }).ask('/x');
    const { values } = await metrics.http.get();
    expect(values.find(({ metricName }) => metricName?.endsWith('_sum'))?.value).toBe(0.25);
  });
});

describe('a refusal', () => {
  it.each<[string, unknown, object]>([
    ['is for the client to mend', new Refusal(409, 'job_finished', 'over'), {}],
    ['may be asked again', refusal('queue_full', 'full', { retryAfter: 7 }), { 'retry-after': '7' }],
    ['asks for a key', refusal('unauthorized', 'none'), { 'www-authenticate': 'Bearer' }],
    ['is not worth a try', new T2IError('MODEL_INVALID', 'x'), { 'x-should-retry': 'false' }],
    ['is worth a try soon', new T2IError('BACKEND_CRASHED', 'x'), { 'retry-after': '1' }],
  ])('%s', async (_, error, headers) => {
    const answer = await appOf([failing(error)]).ask('/x');
    const none = { 'retry-after': null, 'www-authenticate': null, 'x-should-retry': null };
    expect(told(answer)).toEqual({ ...none, 'content-type': 'application/json', ...headers });
  });

  it('is logged with its cause where that is no mistake of the client', async () => {
    const { ask, logged } = appOf([
      { ...failing(new TypeError('of /srv')), path: '/bug' },
      { ...failing(new T2IError('OPTION_INVALID', 'steps')), path: '/slip' },
      { ...failing(new Refusal(503, 'draining', 'ends')), path: '/end' },
    ]);
    const headers = { 'x-request-id': 'mine' };
    for (const [path, status] of [
      ['/bug', 500],
      ['/slip', 400],
      ['/end', 503],
    ] as const)
      expect((await ask(path, { headers })).status).toBe(status);
    expect(logged()).toMatchObject([{ requestId: 'mine', err: { message: 'of /srv' }, level: 'error', msg: 'failed' }]);
  });

  it('is in the shape of the first API that owns its path', async () => {
    const dialect = (name: string): Dialect => ({
      ...{ name, owns: (path) => path.startsWith(`/${name}`), errorSchema: undefined as never, operations: [] },
      errorBody: ({ code }) => ({ [name]: code }),
    });
    const { ask } = appOf([], { dialects: [dialect('a'), dialect('ab'), dialect('')] });
    const shapes = [];
    for (const path of ['/a', '/ab', '/c']) shapes.push((await ask(path)).body);
    expect(shapes).toEqual([{ a: 'not_found' }, { a: 'not_found' }, { '': 'not_found' }]);
  });

  it('names what is not there, and the methods of what is', async () => {
    const { ask } = appOf([{ path: '/v1/:id/x.y' }, { path: '/v1/:id/x.y', method: 'post' }]);
    expect((await ask('/v1/5/x.y')).status).toBe(200);
    const wrong = await ask('/v1/5/x.y', { method: 'DELETE' });
    expect([wrong.status, wrong.body.code]).toEqual([405, 'method_not_allowed']);
    expect(wrong.body.message).toMatch(/"\/v1\/5\/x\.y" takes GET, POST, and not DELETE/);
    for (const path of ['/v1/5/xay', '/v1/5/6/x.y', '/v1//x.y', '/v1/5/x.y/z', '/a/v1/5/x.y']) {
      const { status, body } = await ask(path, { method: 'DELETE' });
      expect([status, body.code, body.message], path).toEqual([404, 'not_found', expect.stringContaining(`"${path}"`)]);
    }
  });
});

describe('the order at the door', () => {
  const KEY = 'a-key-that-is-long-enough';
  const admitted: string[] = [];
  const operations: Partial<Operation>[] = [
    { path: '/open', open: true },
    { path: '/shut' },
    {
      ...{ path: '/full', method: 'post' },
      admit: (caller) => {
        admitted.push(caller);
        throw refusal('queue_full', 'full', { retryAfter: 1 });
      },
    },
    {
      path: '/free',
      method: 'post',
      admit: (caller) => void admitted.push(caller),
      handle: async (context) => context.json(await context.req.text()),
    },
  ];
  const { keys } = ApiKeys.read([KEY]);
  const options: Options = { keys, hosts: ['here'], origins: ['https://friend.example'] };

  it('is host, origin, key, room and size, before any handler', async () => {
    const { ask } = appOf(operations, options);
    const body = 'x'.repeat(1001);
    const full = { method: 'POST', body };
    const asking = (headers: Record<string, string>) => ({
      ...full,
      headers: { 'content-length': '1001', ...headers },
    });
    const asked = [
      asking({ host: 'other', origin: 'https://evil.example' }),
      asking({ host: 'here', origin: 'https://evil.example' }),
      asking({ host: 'here', origin: 'https://friend.example' }),
      asking({ host: 'here', origin: 'https://friend.example', 'x-api-key': KEY }),
    ];
    const codes = [];
    for (const init of asked) codes.push((await ask('/full', init)).body.code);
    expect(codes).toEqual(['host_not_allowed', 'origin_not_allowed', 'unauthorized', 'queue_full']);
    const large = await ask('/free', asking({ host: 'here', 'x-api-key': KEY }));
    expect([large.status, large.body.code, large.body.message]).toEqual([
      413,
      'body_too_large',
      expect.stringContaining('1000'),
    ]);
    expect(admitted).toEqual([keys.nameOf(KEY), keys.nameOf(KEY)]);
    const init = { method: 'POST', body: 'x'.repeat(1000), headers: { host: 'here', 'x-api-key': KEY } };
    expect(await ask('/free', init)).toMatchObject({ status: 200, body: init.body });
  });

  it('lets those in without a key who ask what is open, by GET and HEAD alone', async () => {
    const { ask, app } = appOf(operations, { keys });
    expect((await ask('/open')).status).toBe(200);
    expect((await app.request('/open', { method: 'HEAD' })).status).toBe(200);
    for (const [path, method] of [
      ['/shut', 'GET'],
      ['/open', 'POST'],
      ['/open/', 'GET'],
      ['/shut', 'HEAD'],
    ] as const)
      expect((await app.request(path, { method })).status, `${method} ${path}`).toBe(401);
  });

  it('tells pages elsewhere that may use it what they may read', async () => {
    const { app } = appOf(operations, { origins: ['https://friend.example'] });
    const headers = { host: 'here', origin: 'https://friend.example' };
    const response = await app.request('/open', { headers });
    expect(response.headers.get('access-control-allow-origin')).toBe('https://friend.example');
    expect(response.headers.get('access-control-expose-headers')?.split(',')).toEqual(['x-request-id', 'retry-after']);
    const preflight = await app.request('/free', {
      method: 'OPTIONS',
      headers: { ...headers, 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers.get('access-control-max-age')]).toEqual([204, '600']);
    const { app: shut } = appOf(operations);
    const own = await shut.request('/open', { headers: { host: 'here', origin: 'https://here' } });
    expect([own.status, own.headers.get('access-control-expose-headers')]).toEqual([200, null]);
  });
});

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ApiKeys, linesOfKeys } from '../../../src/server/http/keys.js';
import { memoryServer } from '../../support/memory-server.js';

const KEY = 'a-key-that-is-long-enough';
const bearer = { authorization: `Bearer ${KEY}` };
/**
 * What is answered without a key: that the process lives, and the files of the page, which asks for the key. They are those of the
 * package and hold nothing of this server; what the page shows, it asks for with the key.
 */
const OPEN = /^GET \/(healthz|ping|v2\/health\/live|(page\/[\w-]+\.(js|css|svg))?)$/;

describe('the door', () => {
  it('is shut on every route but liveness for those without a key', async () => {
    const server = await memoryServer({ apiKeys: [KEY] });
    const routes = [server.app, server.admin].flatMap((app) =>
      app.routes.filter(({ path }) => path !== '/*' && path !== '*').map((route) => ({ app, ...route })),
    );
    expect(routes.length).toBeGreaterThan(6);
    for (const { app, method, path } of routes) {
      const route = `${method} ${path}`;
      const response = await app.request(path.replace(/:\w+/g, 'x'), { method });
      if (OPEN.test(route)) expect(response.status, route).toBe(200);
      else expect(response.status, route).toBe(401);
    }
  });

  it('is shut on paths that do not exist, too, and says the same of a wrong key as of none', async () => {
    const server = await memoryServer({ apiKeys: [KEY] });
    const none = await server.get('/nothing');
    const wrong = await server.get('/nothing', { authorization: 'Bearer wrong-key-wrong-key' });
    expect([none.status, wrong.status]).toEqual([401, 401]);
    expect({ ...none.body.error, request_id: '' }).toEqual({ ...wrong.body.error, request_id: '' });
    expect(none.headers.get('www-authenticate')).toBe('Bearer');
    expect(none.body.error.hint).toContain('Authorization: Bearer');
  });

  it.each([
    ['the address that it comes from', { incoming: { socket: { remoteAddress: '10.1.2.3' } } }, '10.1.2.3'],
    ['nothing else where that is not known', { incoming: { socket: {} } }, 'local'],
    ['nothing else where there is no socket', { incoming: {} }, 'local'],
    ['nothing else in a host without one', {}, 'local'],
  ])('knows a caller without a key by %s', async (_, env, caller) => {
    const server = await memoryServer();
    const request = new Request('http://localhost/v1/images/generations', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'x', steps: 1 }),
    });
    expect((await server.server.fetch(request, env)).status).toBe(200);
    expect(server.logged()).toContain(`"caller":"${caller}"`);
  });

  it.each([
    ['a bearer token', bearer],
    ['x-api-key', { 'x-api-key': KEY }],
    ['the password of basic authentication', { authorization: `Basic ${Buffer.from(`me:${KEY}`).toString('base64')}` }],
  ])('opens to %s', async (_, headers) => {
    const server = await memoryServer({ apiKeys: ['another-key-that-is-long', KEY] });
    expect((await server.get('/v1/models', headers as Record<string, string>)).status).toBe(200);
  });

  it.each([
    ['small', (hash: string) => hash],
    ['capital', (hash: string) => hash.toUpperCase()],
  ])('takes a key by its hash in %s letters', async (_, written) => {
    const hash = createHash('sha256').update(KEY).digest('hex');
    const server = await memoryServer({ apiKeys: [`sha256:${written(hash)}`] });
    expect((await server.get('/v1/models', bearer)).status).toBe(200);
    expect((await server.get('/v1/models', { authorization: 'Bearer other-key-other-key' })).status).toBe(401);
  });

  it.each([
    ['a hash that lacks a digit', `sha256:${'0'.repeat(63)}`],
    ['what is no hash', `sha256:${'x'.repeat(64)}`],
    // No header holds them as they were typed.
    ['letters beyond ASCII', 'schlüsselschlüssel'],
    ['bytes of a file that is no text', `a-key-that-is-long\0\u0007`],
  ])('is opened by no key that nobody could send: %s', (_, key) => {
    const { issues } = ApiKeys.read([KEY, key]);
    expect(issues).toEqual([
      expect.objectContaining({ option: 'key 2', expected: expect.stringContaining('sha256:') }),
    ]);
    expect(JSON.stringify(issues)).not.toContain(key);
  });

  it('refuses keys that could be guessed, without repeating them', () => {
    const { issues } = ApiKeys.read([KEY, 'short', 'sha256:12']);
    expect(issues.map(({ option, received }) => [option, received])).toEqual([
      ['key 2', '5 characters'],
      ['key 3', 'sha256: and 2 characters'],
    ]);
    expect(linesOfKeys(`# mine\n\n ${KEY} \r\nsha256:x\n`)).toEqual([KEY, 'sha256:x']);
  });

  it.each([
    'v1/images/generations',
    'v1/jobs/stream',
    'sdapi/v1/txt2img',
    'invocations',
    'predictions/formula',
    'v2/models/formula/infer',
  ])('is shut where the queue is full: nothing of a body is read for /%s', async (path) => {
    const server = await memoryServer({ queue: 1 });
    const headers = { 'content-type': 'application/json' };
    for (const prompt of ['runs', 'waits']) {
      expect((await server.post('/v1/jobs', { prompt, steps: 200 })).status).toBe(202);
      await Promise.resolve();
    }
    let pulled = 0;
    const endless = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    const init = { method: 'POST', headers, body: endless, duplex: 'half' } as RequestInit;
    const refused = await server.app.request(`/${path}`, init);
    expect([refused.status, refused.headers.get('retry-after'), pulled]).toEqual([429, expect.any(String), 0]);
    expect(await server.metrics.registry.metrics()).toContain('outcome="refused"} 1');
    await server.server.close();
  });

  it('writes no key and no prompt to the log, unless prompts are wanted', async () => {
    const body = { prompt: 'a \u001b[31msecret\u202e wish', steps: 1 };
    const server = await memoryServer({ apiKeys: [KEY] });
    await server.post('/v1/images/generations', body, bearer);
    expect(server.logged()).toContain('"completed"');
    expect(server.logged()).not.toContain('secret');
    expect(server.logged()).not.toContain(KEY);
    const telling = await memoryServer({ apiKeys: [KEY], logPrompts: true });
    await telling.post('/v1/images/generations', body, bearer);
    expect(telling.logged()).toContain('secret');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(telling.logged()).not.toMatch(/[\u001b\u202e]/);
  });

  it('answers only under its own names', async () => {
    const server = await memoryServer({ hosts: ['localhost', '[::1]'] });
    const status = async (host: string) => (await server.get('/v1/models', { host })).status;
    expect(await status('localhost:8080')).toBe(200);
    expect(await status('LOCALHOST')).toBe(200);
    expect(await status('[::1]:8080')).toBe(200);
    for (const host of ['evil.example', 'localhost.evil.example', 'evil.example:8080', '', 'localhost:x']) {
      expect(await status(host), host).toBe(403);
    }
  });

  it('refuses pages of other sites, but for those that may', async () => {
    const host = 'localhost:8080';
    const ask = async (server: Awaited<ReturnType<typeof memoryServer>>, origin: string) =>
      server.get('/v1/models', { host, origin });
    const shut = await memoryServer();
    expect((await ask(shut, 'http://localhost:8080')).status).toBe(200);
    expect((await ask(shut, 'https://evil.example')).status).toBe(403);
    expect((await ask(shut, 'null')).status).toBe(403);
    const friendly = await memoryServer({ cors: ['https://friend.example'], apiKeys: [KEY] });
    const preflight = await friendly.app.request('/v1/images/generations', {
      method: 'OPTIONS',
      headers: { origin: 'https://friend.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://friend.example');
    expect((await ask(friendly, 'https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    expect((await ask(shut, 'http://localhost:8080')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('takes no body above the limit, announced or not', async () => {
    const server = await memoryServer({ limits: { bodyBytes: 1000 } });
    const body = JSON.stringify({ prompt: 'x'.repeat(2000) });
    const headers = { 'content-type': 'application/json' };
    const chunks = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(body));
        controller.close();
      },
    });
    const announced = { ...headers, 'content-length': String(body.length) };
    const init = { method: 'POST', duplex: 'half' } as const;
    for (const request of [
      { body, headers: announced },
      { body: chunks, headers },
    ]) {
      const response = await server.app.request('/v1/images/generations', { ...init, ...request });
      expect(response.status).toBe(413);
    }
  });

  it('keeps the id of a request that has one, and gives others one', async () => {
    const server = await memoryServer();
    expect((await server.get('/v1/models', { 'x-request-id': 'mine-1' })).headers.get('x-request-id')).toBe('mine-1');
    expect((await server.get('/nothing', { 'x-request-id': 'a b' })).headers.get('x-request-id')).toMatch(
      /^req_\w{32}$/,
    );
  });

  it('tells a wrong method from a wrong path', async () => {
    const server = await memoryServer();
    expect((await server.get('/v1/images/generations')).status).toBe(405);
    expect((await server.post('/v1/models/formula', {})).status).toBe(405);
    expect((await server.get('/v1/nothing')).status).toBe(404);
  });
});

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { listening } from '../../support/listening-server.js';
import { memoryServer } from '../../support/memory-server.js';
import { answerTo } from '../../support/raw-http.js';

const KEY = 'a-key-of-the-server';

describe('the admin port', () => {
  it('tells that the server lives while its main thread is busy', async () => {
    const { adminUrl } = await listening(await memoryServer());
    const ask = `console.log(JSON.stringify(await (await fetch('${adminUrl}/healthz')).json()))`;
    // The main thread does nothing else until the other program ends.
    const told = execFileSync(process.execPath, ['--input-type=module', '-e', ask], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(JSON.parse(told)).toEqual({ status: 'ok' });
  });

  it('tells that it cannot go on', async () => {
    const memory = await memoryServer();
    const broken = Promise.resolve(new T2IError('BACKEND_CRASHED', 'ended too often'));
    const { adminUrl } = await listening({ server: { ...memory.server, broken } });
    await vi.waitUntil(async () => (await fetch(`${adminUrl}/healthz`)).status === 503, { timeout: 30_000 });
    expect(await (await fetch(`${adminUrl}/healthz`)).json()).toEqual({ status: 'broken' });
  });

  it('answers a probe as every other request: by an id, kept by nobody, without a body for HEAD', async () => {
    const { adminUrl } = await listening(await memoryServer({ apiKeys: [KEY] }));
    const probe = await fetch(`${adminUrl}/healthz`);
    expect([probe.status, await probe.text()]).toEqual([200, '{"status":"ok"}']);
    const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
    expect(Object.fromEntries(probe.headers)).toMatchObject({ ...headers, 'x-content-type-options': 'nosniff' });
    expect(probe.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
    const head = await fetch(`${adminUrl}/healthz`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('leaves all other routes, and who may ask, to the server', async () => {
    const { adminUrl } = await listening(await memoryServer({ apiKeys: [KEY], hosts: ['localhost', '127.0.0.1'] }));
    const ask = (path: string, init: RequestInit = {}) => fetch(adminUrl + path, init);
    const authorization = `Bearer ${KEY}`;
    for (const path of ['/readyz', '/metrics']) expect((await ask(path)).status, path).toBe(401);
    expect(await (await ask('/readyz', { headers: { authorization } })).json()).toEqual({ status: 'ok' });
    const metrics = await ask('/metrics', { headers: { authorization, 'x-request-id': 'mine' } });
    expect([metrics.status, metrics.headers.get('x-request-id')]).toEqual([200, 'mine']);
    expect(await metrics.text()).toMatch(/^# HELP /);
    expect((await ask('/nothing', { headers: { authorization } })).status).toBe(404);
    expect((await ask('/healthz', { method: 'POST', body: 'x', headers: { authorization } })).status).toBe(405);
    expect((await ask('/healthz', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    expect(
      await answerTo(adminUrl, 'GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'),
    ).toMatch(/^HTTP\/1.1 403 /);
  });

  it('stands what no request can be made of, and who does not wait for the answer', async () => {
    const { adminUrl } = await listening(await memoryServer());
    for (const line of ['TRACE /readyz', 'GET http://[/', 'GET *', 'CONNECT /'])
      expect(await answerTo(adminUrl, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), line).toMatch(
        /^(HTTP\/1.1 4|$)/,
      );
    for (let gone = 0; gone < 20; gone++) {
      const socket = connect(Number(new URL(adminUrl).port), '127.0.0.1');
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n', () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    expect((await fetch(`${adminUrl}/metrics`)).status).toBe(200);
  });

  it('ends with the server, whoever keeps a connection', async () => {
    const memory = await memoryServer();
    const sockets = await listening(memory);
    const socket = connect(Number(new URL(sockets.adminUrl).port), '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
    await once(socket, 'connect');
    await sockets.close();
    await closed;
    await expect(fetch(`${sockets.adminUrl}/healthz`)).rejects.toThrow();
  });
});

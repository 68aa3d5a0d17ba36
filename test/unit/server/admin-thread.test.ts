import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { AdminThread, type AdminThreadOptions } from '../../../src/server/admin/admin-thread.js';
import { answerTo } from '../../support/raw-http.js';

type Ask = AdminThreadOptions['admin']['fetch'];

const never = new Promise<never>(() => {});

/** An admin port for one test. */
async function opened(ask: Ask, options: Partial<AdminThreadOptions> = {}): Promise<AdminThread> {
  const where = { host: '127.0.0.1', port: 0, slowest: 30_000 };
  const thread = await AdminThread.open({ ...where, admin: { fetch: ask }, broken: never, ...options });
  onTestFinished(() => thread.close());
  return thread;
}

describe('the thread of the admin port', () => {
  it('tells by itself that the server lives', async () => {
    const ask = vi.fn<Ask>();
    const { url } = await opened(ask);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const probe = await fetch(`${url}/healthz`);
    expect([probe.status, await probe.json()]).toEqual([200, { status: 'ok' }]);
    expect(ask).not.toHaveBeenCalled();
  });

  it('tells that the server cannot go on', async () => {
    let give = (_: T2IError) => {};
    const broken = new Promise<T2IError>((resolve) => {
      give = resolve;
    });
    const { url } = await opened(vi.fn(), { broken });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    give(new T2IError('BACKEND_CRASHED', 'ended too often'));
    await broken;
    const probe = await fetch(`${url}/healthz`);
    expect([probe.status, await probe.json()]).toEqual([503, { status: 'broken' }]);
  });

  it('hands every other request to the server as it came, and its answer back as it is', async () => {
    const asked: unknown[] = [];
    const { url } = await opened(async (request, env) => {
      const { method, headers } = request;
      asked.push([method, new URL(request.url).pathname, new URL(request.url).search, headers.get('x-mine'), env]);
      const answer = new Headers([
        ['x-one', 'yes'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ]);
      return new Response(new Uint8Array([0, 255, 10]), { status: 418, headers: answer });
    });
    const raw = 'DELETE /x/y?z=1 HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nx-mine: 2\r\nConnection: close\r\n\r\n';
    const answer = await answerTo(url, raw);
    const env = { incoming: { socket: { remoteAddress: '127.0.0.1' } } };
    expect(asked).toEqual([['DELETE', '/x/y', '?z=1', '1, 2', env]]);
    expect(answer).toMatch(/^HTTP\/1\.1 418 /);
    for (const line of ['x-one: yes', 'set-cookie: a=1', 'set-cookie: b=2']) expect(answer).toContain(line);
    const response = await fetch(`${url}/x`);
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255, 10]);
  });

  it('answers 400 to what no request can be made of, and goes on', async () => {
    const ask = vi.fn<Ask>(async () => new Response('here'));
    const { url } = await opened(ask);
    expect(await answerTo(url, 'TRACE /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 /,
    );
    expect(ask).not.toHaveBeenCalled();
    expect(await (await fetch(`${url}/x`)).text()).toBe('here');
  });

  it('is none where the port is taken, and says why', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(opened(vi.fn(), { port })).rejects.toThrow(/EADDRINUSE/);
  });

  it('ends when it is closed, with its port and its pulse, however often', async () => {
    const [started, stopped] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')];
    onTestFinished(() => void vi.restoreAllMocks());
    const thread = await opened(vi.fn());
    const pulse = started.mock.results[0]?.value;
    expect(stopped).not.toHaveBeenCalledWith(pulse);
    await Promise.all([thread.close(), thread.close()]);
    await thread.close();
    expect(stopped).toHaveBeenCalledWith(pulse);
    await expect(fetch(`${thread.url}/healthz`)).rejects.toThrow();
  });
});

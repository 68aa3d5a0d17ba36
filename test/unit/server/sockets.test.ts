import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { listen } from '../../../src/server/listen.js';
import { openSocket, shutSocket, socketOptions } from '../../../src/server/sockets.js';
import { freePort } from '../../support/free-port.js';
import { listening } from '../../support/listening-server.js';
import { memoryServer } from '../../support/memory-server.js';

const portOf = (url: string) => Number(new URL(url).port);

describe('a socket', () => {
  afterEach(() => vi.useRealTimers());

  it('gives a client so long for a whole request, and a third of it for its headers', () => {
    expect(socketOptions(30_000)).toEqual({
      ...{ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16_384 },
      connectionsCheckingInterval: 5_000,
    });
  });

  it('has bounds, and an address that can be asked', async () => {
    const http = createServer((_, response) => response.end('here'));
    onTestFinished(() => void http.close());
    const url = await openSocket(http, '127.0.0.1', 0);
    expect([http.maxConnections, http.maxHeadersCount]).toEqual([2_000, 100]);
    expect(await (await fetch(url)).text()).toBe('here');
  });

  it.each([
    ['IPv4', '127.0.0.1', 'http://127.0.0.1:80'],
    ['IPv6', '::1', 'http://[::1]:80'],
  ])('has an address of %s', async (family, address, url) => {
    const http = Object.assign(new EventEmitter(), {
      listen: vi.fn(() => queueMicrotask(() => http.emit('listening'))),
      address: () => ({ address, family, port: 80 }),
    });
    expect(await openSocket(http as unknown as Server, address, 80)).toBe(url);
    expect(http.listen).toHaveBeenCalledWith(80, address);
  });

  it('is shut with the connections that are idle at once, and with all of them after the time for last answers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const http = Object.assign(new EventEmitter(), {
      ...{ close: vi.fn(), closeIdleConnections: vi.fn() },
      closeAllConnections: vi.fn(() => void http.emit('close')),
    });
    const shut = shutSocket(http as unknown as Server);
    expect([http.close, http.closeIdleConnections].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    vi.advanceTimersByTime(1_999);
    expect(http.closeAllConnections).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    await shut;
    expect(http.closeAllConnections).toHaveBeenCalledOnce();
  });

  it('cuts nobody off where the last answers were in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const http = Object.assign(new EventEmitter(), {
      ...{ close: vi.fn(() => void queueMicrotask(() => http.emit('close'))), closeIdleConnections: vi.fn() },
      closeAllConnections: vi.fn(),
    });
    await shutSocket(http as unknown as Server);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a server that listens', () => {
  it('answers its clients on one port of this machine alone, and operators on another', async () => {
    const { url, adminUrl } = await listening(await memoryServer());
    expect([url, adminUrl].map((each) => new URL(each).hostname)).toEqual(['127.0.0.1', '127.0.0.1']);
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(404);
    expect(await (await fetch(`${adminUrl}/readyz`)).json()).toEqual({ status: 'ok' });
  });

  it('sends those away who do not finish a request in time', async () => {
    const { url } = await listening(await memoryServer(), { slowestRequest: 300 });
    const socket = connect(portOf(url), '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 /);
    socket.destroy();
  });

  it('may be closed twice, and takes nothing more then', async () => {
    const sockets = await listening(await memoryServer());
    await Promise.all([sockets.close(), sockets.close()]);
    await sockets.close();
    for (const url of [sockets.url, sockets.adminUrl]) await expect(fetch(url)).rejects.toThrow();
  });

  it.each([
    ['of its clients', 'port', '--port'],
    ['of operators', 'adminPort', '--admin-port'],
  ])('says which port is taken: that %s, and leaves none open', async (_, option, flag) => {
    const [taken, { server }] = [await listening(await memoryServer()), await memoryServer()];
    const port = await freePort();
    const options = { port, adminPort: port, [option]: portOf(taken.url) };
    await expect(listen(server, options)).rejects.toMatchObject({
      ...{ code: 'IO_FAILED', message: expect.stringContaining(`127.0.0.1:${portOf(taken.url)}: `) },
      ...{ hint: expect.stringContaining(flag), cause: expect.any(Error) },
    });
    const sockets = await listen(server, { port, adminPort: 0 });
    await sockets.close();
    await server.close();
  });

  it.each<[string, object, readonly string[]]>([
    ['an address that is every one', { host: '' }, ['host']],
    // Node takes these for a path, and for every address.
    ['other types', { host: 5, port: 'x', adminPort: 0.5 }, ['host', 'port', 'adminPort']],
    ['ports that there are not', { port: -1, adminPort: 65_536 }, ['port', 'adminPort']],
    ['a time that is none', { slowestRequest: 'x' }, ['slowestRequest']],
    ['names that there are not', { prt: 80 }, ['prt']],
  ])('opens nothing for %s', async (_, options, names) => {
    const { server } = await memoryServer();
    const error = await listen(server, options).catch((each) => each);
    expect([error.code, error.issues.map(({ option }: { option: string }) => option)]).toEqual([
      'OPTION_INVALID',
      names,
    ]);
    await server.close();
  });

  it('is one that createServer made', async () => {
    const whole = { fetch: () => {}, admin: {}, broken: null };
    for (const server of [undefined, {}, { fetch: () => {} }, { ...whole, fetch: 5 }, { ...whole, admin: 5 }])
      await expect(listen(server as never)).rejects.toMatchObject({ issues: [{ option: 'server' }] });
  });
});

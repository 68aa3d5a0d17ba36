import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { redirectTarget } from '../../../src/http/redirect.js';
import { request, requestJson } from '../../../src/http/request.js';
import { answer, FAULTS, FakeServer } from '../../support/fake-server.js';

const CANARY = 'hf_canaryCanaryCanary';

let server: FakeServer;
let elsewhere: FakeServer;
/** Milliseconds that were waited between tries. */
let waits: number[];
const wait = async (milliseconds: number) => {
  waits.push(milliseconds);
};

beforeEach(async () => {
  waits = [];
  server = await FakeServer.start(({ body, headers }, response) =>
    answer(response, 200, { got: body.toString(), authorization: headers.authorization ?? null }),
  );
  elsewhere = await FakeServer.start(({ headers }, response) =>
    answer(response, 200, { authorization: headers.authorization ?? null, accept: headers.accept }),
  );
});
afterEach(async () => {
  await Promise.all([server.close(), elsewhere.close()]);
});

describe('a request', () => {
  it('is sent again after a failure that may go away, with its body', async () => {
    server.fail(/PUT \/a/, FAULTS.status(503, {}));
    server.fail(/PUT \/a/, FAULTS.hangUp);
    const json = await requestJson(`${server.url}/a`, { method: 'PUT', body: 'whole', wait });
    expect(json).toMatchObject({ got: 'whole' });
    expect(waits).toHaveLength(2);
    expect(waits.every((ms) => ms >= 0 && ms <= 1000)).toBe(true);
  });

  it('waits as long as the server asks, in seconds or until a date', async () => {
    server.fail(/\/a/, FAULTS.status(429, { 'retry-after': '7' }));
    server.fail(/\/a/, FAULTS.status(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }));
    await requestJson(`${server.url}/a`, { wait });
    expect(waits[0]).toBe(7000);
    expect(waits[1]).toBeGreaterThan(50_000);
    expect(waits[1]).toBeLessThanOrEqual(60_000);
  });

  it('does not wait longer than two minutes', async () => {
    server.fail(/\/a/, FAULTS.status(429, { 'retry-after': '3600' }));
    await expect(request(`${server.url}/a`, { wait })).rejects.toMatchObject({ code: 'NETWORK_FAILED', status: 429 });
    expect(waits).toEqual([]);
  });

  it('gives up after five tries', async () => {
    server.fail(/\/a/, FAULTS.status(500, {}), 100);
    await expect(request(`${server.url}/a`, { wait })).rejects.toMatchObject({ code: 'NETWORK_FAILED', status: 500 });
    expect(server.requests).toHaveLength(5);
  });

  it('that may not be done twice is sent once, unless the server surely did nothing', async () => {
    server.fail(/POST \/a/, FAULTS.status(500, {}));
    await expect(request(`${server.url}/a`, { method: 'POST', wait })).rejects.toMatchObject({ status: 500 });
    server.fail(/POST \/b/, FAULTS.hangUp);
    await expect(request(`${server.url}/b`, { method: 'POST', wait })).rejects.toMatchObject({ status: null });
    expect(server.requests).toHaveLength(2);
    server.fail(/POST \/c/, FAULTS.status(429, {}));
    await request(`${server.url}/c`, { method: 'POST', wait });
    expect(server.requests).toHaveLength(4);
  });

  it('whose answer breaks off is sent again', async () => {
    server.fail(/\/a/, FAULTS.cut(10));
    expect(await requestJson(`${server.url}/a`, { wait })).toMatchObject({ got: '' });
  });

  it.each([
    [401, 'ACCESS_DENIED'],
    [403, 'ACCESS_DENIED'],
    [404, 'REMOTE_NOT_FOUND'],
    [409, 'REMOTE_CONFLICT'],
    [412, 'REMOTE_CONFLICT'],
    [400, 'REMOTE_REFUSED'],
    [422, 'REMOTE_REFUSED'],
  ])('that is answered with %i fails with %s, at once', async (status, code) => {
    server.fail(/\/a/, FAULTS.status(status));
    const failed = request(`${server.url}/a?signature=${CANARY}`, { wait });
    await expect(failed).rejects.toMatchObject({
      code,
      message: `GET ${server.url}/a was answered with ${status}: fault ${status}`,
    });
    expect(server.requests).toHaveLength(1);
  });

  it('takes an answer that it expects', async () => {
    server.fail(/\/a/, FAULTS.status(404));
    expect((await request(`${server.url}/a`, { expect: [404] })).status).toBe(404);
  });

  it('refuses a page where data are due', async () => {
    server.fail(/\/a/, FAULTS.html);
    await expect(requestJson(`${server.url}/a`)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(/HTML page/),
    });
  });

  it('refuses an answer without end', async () => {
    server.fail(/\/a/, FAULTS.endless);
    await expect(requestJson(`${server.url}/a`, {}, 1e6)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(/at most 1000000 bytes/),
    });
  });

  it('says that nobody listens', async () => {
    await server.close();
    const failed = request(`${server.url.replace('127.0.0.1', 'localhost')}/a`, { method: 'POST', wait });
    await expect(failed).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringMatching(/failed: connect ECONNREFUSED/),
      hint: expect.stringMatching(/proxy/),
    });
    expect(waits).toHaveLength(4);
  });

  it('ends with the reason of its signal, also while it waits', async () => {
    const controller = new AbortController();
    server.fail(/\/a/, FAULTS.status(503, { 'retry-after': '100' }));
    const failed = request(`${server.url}/a`, { signal: controller.signal });
    while (server.requests.length === 0) await new Promise(setImmediate);
    controller.abort('stop');
    await expect(failed).rejects.toBe('stop');
  });

  it('ends with the reason of its signal while the server says nothing', async () => {
    const controller = new AbortController();
    server.fail(/\/a/, () => {});
    const failed = request(`${server.url}/a`, { signal: controller.signal });
    while (server.requests.length === 0) await new Promise(setImmediate);
    controller.abort('stop');
    await expect(failed).rejects.toBe('stop');
  });

  it('gives up on a server that says nothing', async () => {
    server.fail(/\/a/, () => {}, 2);
    const failed = request(`${server.url}/a`, { timeout: 20, attempts: 2, wait });
    await expect(failed).rejects.toMatchObject({
      code: 'NETWORK_FAILED',
      message: expect.stringMatching(/no answer within 0.02 s/),
    });
  });
});

describe('a redirect', () => {
  const headers = { authorization: `Bearer ${CANARY}`, accept: 'text/plain' };

  it('is followed, with who asks on the same server and without on another', async () => {
    server.fail(/\/a/, FAULTS.redirect('/b'));
    expect(await requestJson(`${server.url}/a`, { headers })).toMatchObject({ authorization: `Bearer ${CANARY}` });
    server.fail(/\/a/, FAULTS.redirect(`${elsewhere.url}/b`));
    expect(await requestJson(`${server.url}/a`, { headers })).toEqual({ authorization: null, accept: 'text/plain' });
  });

  it('back to the server that was asked does not bring who asks there again', async () => {
    server.fail(/\/a/, FAULTS.redirect(`${elsewhere.url}/b`));
    elsewhere.fail(/\/b/, FAULTS.redirect(`${server.url}/c`));
    expect(await requestJson(`${server.url}/a`, { headers })).toMatchObject({ authorization: null });
  });

  it.each([
    'file:///etc/passwd',
    'ftp://127.0.0.1/x',
    'xhttp://127.0.0.1/x',
    'http://169.254.169.254/latest/meta-data',
    'http://[fe80::1]/',
    'http://',
  ])('to %s is refused', async (location) => {
    server.fail(/\/a/, FAULTS.redirect(location));
    await expect(request(`${server.url}/a`, { headers })).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  });

  it('from an encrypted connection to an open one is refused', () => {
    for (const from of ['http://a/', 'https://a/'])
      expect(redirectTarget('https://b/', from, 'GET')).toBe('https://b/');
    expect(() => redirectTarget('http://a/', 'https://a/', 'GET')).toThrow(/without encryption/);
  });

  it('to an address that only resembles one of this machine alone is followed', () => {
    expect(redirectTarget('http://1.169.254.1/', 'http://a/', 'GET')).toBe('http://1.169.254.1/');
  });

  it('is followed for the headers alone', async () => {
    server.fail(/HEAD \/a/, FAULTS.redirect('/b'));
    expect((await request(`${server.url}/a`, { method: 'HEAD' })).status).toBe(200);
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['HEAD /a', 'HEAD /b']);
  });

  it('without end is refused', async () => {
    server.fail(/\/a/, FAULTS.redirect('/a'), 100);
    await expect(request(`${server.url}/a`)).rejects.toMatchObject({
      message: expect.stringMatching(/more than 5 redirects/),
    });
    expect(server.requests).toHaveLength(6);
  });

  it('of what is sent is refused', async () => {
    server.fail(/\/a/, FAULTS.redirect(`${elsewhere.url}/b`));
    const sent = request(`${server.url}/a`, { method: 'PUT', body: 'secret', headers });
    await expect(sent).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('the error of a request', () => {
  const repeat = { error: `no account for ${CANARY}` };

  it.each<[string, Record<string, string>, string?, string?]>([
    ['a bearer token', { authorization: `Bearer ${CANARY}` }],
    ['a password', { authorization: `Basic ${Buffer.from(`me:${CANARY}`).toString('base64')}` }],
    ['a bearer token behind two spaces', { authorization: `Bearer  ${CANARY}` }],
    ['a key', { 'x-api-key': CANARY }],
    ['a key of two parts', { 'x-api-key': `for-me ${CANARY}` }, `no account for-me ${CANARY}`, 'no account ***'],
  ])(
    'does not repeat %s that the server repeats',
    async (_, headers, said = repeat.error, shown = 'no account for ***') => {
      server.fail(/\/a/, (response) => answer(response, 401, { error: said }));
      const error = await request(`${server.url}/a`, { headers }).catch((caught: Error) => caught);
      expect(error).toMatchObject({ message: `GET ${server.url}/a was answered with 401: ${shown}` });
    },
  );

  it.each([
    ['Basic', 'me:'],
    // What a token is made of is its own business.
    ['Bearer', 'me:account'],
  ])('is whole where there was no secret to hide: %s', async (scheme, inner) => {
    server.fail(/\/a/, (response) => answer(response, 401, repeat));
    const headers = { authorization: `${scheme} ${Buffer.from(inner).toString('base64')}`, 'x-trace': 'account' };
    const error = await request(`${server.url}/a`, { headers }).catch((caught: Error) => caught);
    expect(error).toMatchObject({ message: `GET ${server.url}/a was answered with 401: no account for ${CANARY}` });
  });

  it.each<[string, (response: ServerResponse) => void, string]>([
    [
      'a header',
      (response) => response.writeHead(404, { 'x-error-message': 'no such repository' }).end('{}'),
      'no such repository',
    ],
    ['JSON within JSON', (response) => answer(response, 404, { error: { message: 'no such run' } }), 'no such run'],
    ['JSON that says nothing', (response) => answer(response, 404, { error: 7 }), '{"error":7}'],
    ['lines', (response) => response.writeHead(404).end(' no \n\n such  page\n'), 'no such page'],
    ['a page', (response) => response.writeHead(404).end('\n<html>secrets of a proxy</html>'), 'an HTML page'],
    ['a comparison', (response) => response.writeHead(404).end('1 < 2'), '1 < 2'],
    ['a page at once', (response) => response.writeHead(404).end('<html>secrets of a proxy</html>'), 'an HTML page'],
    ['a novel', (response) => response.writeHead(404).end('x'.repeat(5000)), 'x'.repeat(300)],
    [
      'a novel in a header',
      (response) => response.writeHead(404, { 'x-error-message': 'x'.repeat(5000) }).end(),
      'x'.repeat(300),
    ],
  ])('says what %s says', async (_, reply, said) => {
    server.fail(/\/a/, reply);
    await expect(request(`${server.url}/a`)).rejects.toMatchObject({
      message: `GET ${server.url}/a was answered with 404: ${said}`,
    });
  });

  it('says nothing of what a library would hold', async () => {
    server.fail(/\/a/, (response) => {
      response.writeHead(404).end('x'.repeat(65 * 1024));
    });
    await expect(request(`${server.url}/a`)).rejects.toMatchObject({
      message: `GET ${server.url}/a was answered with 404`,
    });
  });

  it('says what a header says where there is no body', async () => {
    server.fail(/\/a/, (response) => {
      response.writeHead(404, { 'x-error-message': 'no such file' }).end();
    });
    await expect(request(`${server.url}/a`, { method: 'HEAD' })).rejects.toMatchObject({
      message: `HEAD ${server.url}/a was answered with 404: no such file`,
    });
  });
});

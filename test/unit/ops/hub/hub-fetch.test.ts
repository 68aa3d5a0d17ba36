import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hubFetch } from '../../../../src/ops/hub/hub-fetch.js';
import { FAULTS, FakeServer } from '../../../support/fake-server.js';

const { signal } = new AbortController();
const fetchOfHub = hubFetch(signal, () => undefined);

describe('what fails for a moment', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await FakeServer.start((_, response) => void response.end('{}'));
    server.fail(/./, FAULTS.status(503));
  });
  afterEach(() => server.close());

  it.each([
    ['POST', '/api/models/tester/flowers/preupload/main'],
    ['POST', '/tester/flowers.git/info/lfs/objects/batch'],
    ['POST', '/api/models/tester/flowers/paths-info/main'],
    ['PUT', '/parts/1'],
    ['GET', '/api/models/tester/flowers'],
  ])('is asked for again where that changes nothing: %s %s', async (method, path) => {
    expect((await fetchOfHub(server.url + path, { method })).status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    '/api/models/tester/flowers/commit/main',
    '/api/repos/create',
    // Of people and models that are called like what only asks.
    '/api/models/preupload/flowers/commit/main',
    '/api/models/objects/batch/commit/main',
    '/api/models/paths-info/flowers/commit/main',
  ])('is not where it would be done twice: POST %s', async (path) => {
    await expect(fetchOfHub(server.url + path, { method: 'POST' })).rejects.toMatchObject({ code: 'NETWORK_FAILED' });
    expect(server.requests).toHaveLength(1);
  });
});

describe('a server that says nothing', () => {
  const aborted: string[] = [];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    aborted.length = 0;
    vi.stubGlobal('fetch', (_: string, { method, signal: given }: { method: string; signal: AbortSignal }) => {
      return new Promise((_resolve, reject) => {
        given.addEventListener('abort', () => {
          aborted.push(method);
          reject(given.reason);
        });
      });
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('is given an hour for a part of a large file, and a minute for all else', async () => {
    const url = 'https://hub.example/api/models/tester/flowers/commit/main';
    const failures = ['POST', 'PUT'].map((method) => fetchOfHub(url, { method }).catch(() => method));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(aborted).toEqual(['POST']);
    await vi.advanceTimersByTimeAsync(58 * 60_000);
    expect(aborted).toEqual(['POST']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(aborted).toEqual(['POST', 'PUT']);
    expect(await failures[0]).toBe('POST');
  });
});

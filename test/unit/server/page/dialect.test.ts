import { describe, expect, it } from 'vitest';
import { pageDialect } from '../../../../src/server/page/dialect.js';
import { memoryModel, memoryServer } from '../../../support/memory-server.js';

describe('the files of the page', () => {
  it('are all there that it names', async () => {
    const { get } = await memoryServer();
    const todo = ['/'];
    const found = new Set<string>();
    for (const path of todo) {
      if (found.has(path)) continue;
      found.add(path);
      const { status, body } = await get(path);
      expect(status, path).toBe(200);
      const names = [
        ...String(body).matchAll(/(?:href|src|from|import)\s*=?\s*["'](\.?\.?\/?[\w./-]+\.(?:js|css|svg))["']/g),
      ];
      todo.push(...names.map(([, name = '']) => new URL(name, `http://x${path}`).pathname));
    }
    expect([...found]).toEqual(expect.arrayContaining(['/page/main.js', '/page/page.css', '/page/icon.svg']));
    expect(found.size).toBeGreaterThan(20);
  });

  it('are the same whatever the server has, so that they may be open', async () => {
    const servers = [
      await memoryServer(),
      await memoryServer({ apiKeys: ['a-key-that-is-long-enough'] }, { models: [memoryModel('secret')] }),
    ];
    const [open, closed] = await Promise.all(servers.map(({ get }) => get('/')));
    expect(closed?.status).toBe(200);
    expect(closed?.body).toBe(open?.body);
    expect(closed?.body).not.toContain('secret');
  });

  it.each([
    ['/', 'text/html; charset=utf-8'],
    ['/page/page.css', 'text/css; charset=utf-8'],
    ['/page/main.js', 'text/javascript; charset=utf-8'],
    ['/page/icon.svg', 'image/svg+xml'],
  ])('run nothing but themselves, and are shown by no other site: %s', async (path, type) => {
    const { get } = await memoryServer();
    const { headers } = await get(path);
    expect(headers.get('content-type')).toBe(type);
    const policy = headers.get('content-security-policy') ?? '';
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "trusted-types 'none'"])
      expect(policy.split('; ')).toContain(rule);
    expect(headers.get('cache-control')).toBe('no-cache');
  });

  it('have no address but one each, and say what is answered there', async () => {
    const { get, app } = await memoryServer();
    for (const { path, answer } of pageDialect().operations) {
      const { status, headers } = await get(path);
      expect([status, headers.get('content-type')], path).toEqual([answer.status, ...(answer.content as string[])]);
    }
    const paths = app.routes.map(({ path }) => path).filter((path) => path === '/' || path.startsWith('/page/'));
    expect(paths.filter((path) => !/^\/(page\/[\w-]+\.(js|css|svg))?$/.test(path))).toEqual([]);
    expect((await get('/page/index.html')).status).toBe(404);
    expect((await get('/index.html')).body.error).toMatchObject({ code: 'not_found' });
  });

  it('are not sent again while they are the same', async () => {
    const { get } = await memoryServer();
    const etag = (await get('/')).headers.get('etag') ?? '';
    expect(await get('/', { 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
    const other = await get('/page/main.js');
    expect(other.headers.get('etag')).not.toBe(etag);
    expect((await get('/', { 'if-none-match': other.headers.get('etag') ?? '' })).status).toBe(200);
  });

  it('cannot be left by their names', async () => {
    const { get } = await memoryServer();
    for (const path of [
      '/page/../package.json',
      '/page/..%2fdialect.js',
      '/page/%2e%2e/dialect.js',
      '/page/',
      '/page/x.js',
    ]) {
      expect((await get(path)).status, path).toBe(404);
    }
  });
});

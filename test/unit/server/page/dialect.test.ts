import { describe, expect, it } from 'vitest';
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

  it('are not sent again while they are the same', async () => {
    const { get } = await memoryServer();
    const etag = (await get('/')).headers.get('etag') ?? '';
    expect(await get('/', { 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
    expect((await get('/', { 'if-none-match': '"other"' })).status).toBe(200);
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

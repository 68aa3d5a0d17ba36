import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/image/decode.js';
import { memoryServer } from '../../support/memory-server.js';

const PATH = '/v1/images/generations';
const request = { prompt: 'a red apple', steps: 3, seed: 7 };

describe('the image store', () => {
  const withStore = async (work: (dir: string) => Promise<void>) => {
    const dir = mkdtempSync(join(tmpdir(), 't2i-store-'));
    try {
      await work(dir);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  };

  it('keeps what is asked for by url under a name that cannot be guessed', async () => {
    await withStore(async (dir) => {
      const server = await memoryServer({ imageStore: { dir, ttl: 60_000 } });
      const { body } = await server.post(PATH, { ...request, response_format: 'url' });
      const [{ url, seed }] = body.data;
      expect(body.data[0]).not.toHaveProperty('b64_json');
      expect(seed).toBe(7);
      expect(new URL(url).pathname).toMatch(/^\/v1\/images\/files\/[\w-]{22}\.png$/);
      const response = await server.app.request(url);
      expect(response.headers.get('content-type')).toBe('image/png');
      const image = await decodeImage(new Uint8Array(await response.arrayBuffer()));
      expect(image.width).toBe(32);
    });
  });

  it('gives addresses as the client sees the server, also behind a proxy', async () => {
    await withStore(async (dir) => {
      const server = await memoryServer({ imageStore: { dir, ttl: 60_000 } });
      const addressOf = async (headers: Record<string, string>) => {
        const { body } = await server.post(PATH, { ...request, response_format: 'url' }, headers);
        return new URL(body.data[0].url).origin;
      };
      const proxy = { 'x-forwarded-host': 'images.example.org', 'x-forwarded-proto': 'https' };
      expect(await addressOf({})).toBe('http://localhost');
      expect(await addressOf(proxy)).toBe('https://images.example.org');
      expect(await addressOf({ 'x-forwarded-host': 'evil/..//@x', 'x-forwarded-proto': 'javascript' })).toBe(
        'http://localhost',
      );
    });
  });

  it('gives away nothing else of the disk', async () => {
    await withStore(async (root) => {
      const dir = join(root, 'store');
      const server = await memoryServer({ imageStore: { dir, ttl: 60_000 } });
      const names = ['secret.png', 'store/own.txt', `store/${'x'.repeat(21)}.png`];
      for (const name of names) writeFileSync(join(root, name), 'secret');
      for (const name of ['own.txt', `${'x'.repeat(21)}.png`, '../secret.png', '..%2fsecret.png', '..%5csecret.png']) {
        const { status, body } = await server.get(`/v1/images/files/${name}`);
        expect([status, JSON.stringify(body).includes('secret"')], name).toEqual([404, false]);
      }
      for (const name of ['%00', '%2fetc%2fpasswd', '%ff', '.', '']) {
        expect((await server.get(`/v1/images/files/${name}`)).status, name).toBe(404);
      }
    });
  });

  it('forgets images after their time, and the oldest where there is no room', async () => {
    await withStore(async (dir) => {
      const ask = { ...request, response_format: 'url' };
      const brief = await memoryServer({ imageStore: { dir, ttl: 1000, maxBytes: 3000 } });
      const { body } = await brief.post(PATH, ask);
      const path = join(dir, new URL(body.data[0].url).pathname.split('/').at(-1) as string);
      utimesSync(path, 1, 1);
      expect((await brief.get(new URL(body.data[0].url).pathname)).status).toBe(404);
      for (let index = 0; index < 4; index++) await brief.post(PATH, ask);
      expect(readdirSync(dir).length).toBe(1);
    });
  });
});

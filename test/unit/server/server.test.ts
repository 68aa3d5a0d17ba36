import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { describeModel } from '../../../src/model/layout.js';
import { DEFAULT_MODEL } from '../../../src/model/resolve.js';
import { createServerWith } from '../../../src/server/create-server.js';
import { createServer, createWorker } from '../../../src/server/index.js';
import { settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const PATH = '/v1/images/generations';
const [ALICE, BOB] = ['alice-alice-alice', 'bobby-bobby-bobby'];
const as = (key: string) => ({ authorization: `Bearer ${key}` });

describe('a server', () => {
  it('is made of the models that it is told of, which are read at once', async () => {
    const server = await createServer({ models: [TINY, { id: 'again', model: TINY }] });
    expect(server.models).toEqual(['tiny', 'again']);
    const response = await server.fetch(new Request('http://here/v1/models'));
    const { data } = JSON.parse(await response.text());
    expect(data.map(({ id }: { id: string }) => id)).toEqual(['tiny', 'again']);
    await server.close();
    await expect(createServer({ models: [join(TINY, 'none')] })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('has the model that ships where it is told of none', async () => {
    const describe = vi.fn(async () => describeModel(TINY));
    const server = await createServerWith(describe, { load: { backend: 'pytorch' } });
    expect(describe.mock.calls).toEqual([[DEFAULT_MODEL, 'safetensors']]);
    await server.close();
  });

  it.each([
    ['a server', createServer],
    ['a worker', createWorker],
  ])('is none of options that are wrong: %s', async (_, create) => {
    await expect(create({ queue: 0, models: [join(TINY, 'none')] } as never)).rejects.toMatchObject({
      ...{ code: 'OPTION_INVALID', issues: [expect.objectContaining({ option: 'queue' })] },
    });
  });

  it('lets one key take half of the room where there are several', async () => {
    const taken = async (options: Parameters<typeof memoryServer>[0], key = ALICE) => {
      const server = await memoryServer({ queue: 3, ...options });
      const statuses: number[] = [];
      for (let count = 0; count < 5; count++) {
        statuses.push((await server.post('/v1/jobs', { prompt: `${count}`, steps: 200 }, as(key))).status);
        await settled();
      }
      const other = (await server.post('/v1/jobs', { prompt: 'x', steps: 200 }, as(BOB))).status;
      await server.server.close();
      return [statuses.filter((status) => status === 202).length, other];
    };
    // One more than wait is carried out.
    expect(await taken({ apiKeys: [ALICE, BOB] })).toEqual([3, 202]);
    expect(await taken({ apiKeys: [ALICE, BOB], queuePerKey: 1 })).toEqual([2, 202]);
    expect(await taken({ apiKeys: [ALICE] })).toEqual([4, 401]);
    expect(await taken({})).toEqual([4, 429]);
  });

  it('tells pages elsewhere nothing where none may use it', async () => {
    const { app } = await memoryServer();
    const headers = { host: 'here', origin: 'https://here', 'access-control-request-method': 'POST' };
    expect((await app.request(PATH, { method: 'OPTIONS', headers })).status).toBe(405);
  });

  it('has room for 64 requests where nothing else is said', async () => {
    const server = await memoryServer();
    expect((await server.get('/v1/capabilities')).body.limits.queue).toBe(64);
  });

  it('keeps images where it is told to, and says so', async () => {
    const root = mkdtempSync(join(tmpdir(), 't2i-server-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const dir = join(root, 'images');
    const server = await memoryServer({ imageStore: { dir, ttl: 60_000 } });
    expect(statSync(dir).isDirectory()).toBe(true);
    expect((await server.get('/v1/capabilities')).body.image_store).toBe(true);
    expect((await (await memoryServer()).get('/v1/capabilities')).body.image_store).toBe(false);
  });

  it('closes its models with it, however often, and by leaving the block that it is of', async () => {
    const model = memoryModel('formula');
    {
      const { server, post } = await memoryServer({}, { models: [model] });
      await using owned = server;
      expect((await post(PATH, { prompt: 'x', steps: 1 })).status).toBe(200);
      expect(model.sessions[0]?.closes).toBe(0);
      expect(owned.models).toEqual(['formula']);
    }
    expect(model.sessions[0]?.closes).toBe(1);
    const { server, post } = await memoryServer();
    await Promise.all([server.close(), server.close()]);
    expect((await post(PATH, { prompt: 'x', steps: 1 })).status).toBe(503);
  });

  it('opens its first model at once where it is told to, and fails where that fails', async () => {
    const model = memoryModel('formula');
    await memoryServer({ preload: true }, { models: [model] });
    expect(model.sessions).toHaveLength(1);
    const error = new T2IError('BACKEND_UNAVAILABLE', 'none');
    const broken = memoryModel('broken', { open: () => Promise.reject(error) });
    await expect(memoryServer({ preload: true }, { models: [broken] })).rejects.toBe(error);
  });
});

import { describe, expect, it, onTestFinished } from 'vitest';
import type { ServerOptions } from '../../../src/server/options.js';
import { type MemoryModel, type MemoryServer, memoryModel, memoryServer } from '../../support/memory-server.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { noCommand, skipFor } from '../../support/skip-for.js';
import { sseEvents } from '../../support/sse.js';

const PATH = '/v1/images/generations';
const body = { prompt: 'a red apple', steps: 20, seed: 7 };

interface Sharer extends MemoryServer {
  readonly model: MemoryModel;
}

/** A server of the formula that shares its queue; it ends with the test. */
async function sharer(redis: RedisServer, options: ServerOptions & { draws?: boolean } = {}): Promise<Sharer> {
  const { draws, ...others } = options;
  const model = memoryModel('formula');
  const server = await memoryServer({ redis: { url: redis.url, draws }, ...others }, { models: [model] });
  onTestFinished(() => server.server.close());
  return { ...server, model };
}

const seedsOf = (model: MemoryModel) => model.sessions.flatMap(({ jobs }) => jobs.flatMap(({ seeds }) => seeds));

describe('a queue that servers share', skipFor(noCommand('redis-server')), () => {
  it('lets one server draw what another is asked for, and answers the very images', async () => {
    const redis = await startRedis();
    const asked = await sharer(redis, { draws: false });
    const drawing = await sharer(redis);
    const { status, body: answer } = await asked.post(PATH, { ...body, n: 3 });
    expect(status).toBe(200);
    const alone = await (await memoryServer()).post(PATH, { ...body, n: 3 });
    expect(answer.data).toEqual(alone.body.data);
    expect([asked.model.sessions.length, seedsOf(drawing.model)]).toEqual([0, [7, 8, 9]]);
  });

  it('tells each step and preview, as one server does', async () => {
    const redis = await startRedis();
    const asked = await sharer(redis, { draws: false });
    await sharer(redis);
    const stream = { ...body, n: 2, stream: true, partial_images: 2 };
    const events = async (server: MemoryServer) => {
      const response = await server.app.request(PATH, {
        method: 'POST',
        body: JSON.stringify(stream),
        headers: { 'content-type': 'application/json' },
      });
      return sseEvents(await response.text()).map(({ event, data: { created_at: _, ...data } }) => ({ event, data }));
    };
    expect(await events(asked)).toEqual(await events(await memoryServer()));
  });
});

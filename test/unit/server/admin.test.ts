import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { T2IError } from '../../../src/errors.js';
import { adminDialect } from '../../../src/server/admin/dialect.js';
import { Health } from '../../../src/server/health.js';
import { settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';

const KEY = 'a-key-of-the-server';
const authorization = `Bearer ${KEY}`;

describe('what operators ask', () => {
  const asking = async (options: Parameters<typeof memoryServer>[0] = {}) => {
    const model = memoryModel('formula');
    const server = await memoryServer(options, { models: [model] });
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const response = await server.server.admin.fetch(new Request(`http://admin${path}`, { headers }));
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    return { server, model, ask };
  };

  it('is whether the server lives, which anybody may ask, whether it is ready, and what it measures', async () => {
    const { ask } = await asking({ apiKeys: [KEY] });
    expect(await ask('/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    for (const path of ['/readyz', '/metrics', '/nothing']) expect((await ask(path)).status, path).toBe(401);
    expect(await ask('/readyz', { authorization })).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    const { status, headers, text } = await ask('/metrics', { authorization });
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain; version=/)]);
    expect(text).toMatch(/^t2i_queue_length 0$/m);
    const nothing = await ask('/nothing', { authorization });
    expect([nothing.status, JSON.parse(nothing.text).error.code]).toEqual([404, 'not_found']);
  });

  it('is answered as it is documented', async () => {
    const { server, ask } = await asking();
    for (const { path, answer } of adminDialect(server.queue, server.metrics, new Health()).operations) {
      const { status, headers, text } = await ask(path);
      expect(status, path).toBe(answer.status);
      if (answer.content instanceof z.ZodType)
        expect(answer.content.parse(JSON.parse(text)), path).toEqual(JSON.parse(text));
      else expect(answer.content, path).toEqual([headers.get('content-type')?.split(';')[0]]);
    }
  });

  it('is told that it drains while it lives', async () => {
    const { server, ask } = await asking();
    const running = server.post('/v1/images/generations', { prompt: 'x', steps: 20 });
    await settled();
    const drained = server.server.drain(60_000);
    expect(await ask('/readyz')).toMatchObject({ status: 503, text: '{"status":"draining"}' });
    expect(await ask('/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    await Promise.all([running, drained]);
  });

  it('is told that it cannot go on', async () => {
    const { server, model, ask } = await asking();
    model.onStep = () => {
      throw new T2IError('BACKEND_CRASHED', 'gone');
    };
    for (let count = 0; count < 3; count++) await server.post('/v1/images/generations', { prompt: 'x' });
    expect(await ask('/healthz')).toMatchObject({ status: 503, text: '{"status":"broken"}' });
  });
});

describe('the health of a server', () => {
  const crash = (message = 'gone') => new T2IError('DEVICE_LOST', message);

  it('is lost with the fifth crash in a row, for good, and for the reason of that one', async () => {
    const health = new Health();
    for (let count = 0; count < 4; count++) health.failed(crash());
    health.succeeded();
    for (let count = 0; count < 4; count++) health.failed(crash());
    expect(health.isBroken).toBe(false);
    health.failed(crash('the fifth'));
    health.failed(crash('the sixth'));
    expect(health.isBroken).toBe(true);
    health.succeeded();
    expect(health.isBroken).toBe(true);
    expect(await health.broken).toMatchObject({
      ...{ code: 'DEVICE_LOST', message: expect.stringMatching(/5 times in a row/) },
      ...{ cause: expect.objectContaining({ message: 'the fifth' }), hint: expect.stringContaining('log') },
    });
  });
});

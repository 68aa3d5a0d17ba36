import { describe, expect, it } from 'vitest';
import { listening } from '../../support/listening-server.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';
import { answerTo } from '../../support/raw-http.js';

const PATH = '/v1/images/generations';
const json = { 'content-type': 'application/json' };
const post = (body: unknown, signal?: AbortSignal) => ({
  ...{ method: 'POST', headers: json, body: JSON.stringify(body) },
  ...(signal && { signal }),
});

describe('more requests than there is room for', () => {
  it('are refused at once with the time to wait; none that was taken is lost or done twice', {
    timeout: 300_000,
  }, async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({ queue: 8 }, { models: [model] });
    const { url, adminUrl } = await listening(server);
    const health: number[] = [];
    model.onStep = (steps) => {
      if (steps % 20 === 0) void fetch(`${adminUrl}/healthz`).then(({ status }) => health.push(status));
    };
    const statuses: number[] = [];
    const client = async () => {
      for (let request = 0; request < 10; request++) {
        const response = await fetch(`${url}${PATH}`, post({ prompt: 'a red apple', steps: 5, seed: 1 }));
        statuses.push(response.status);
        if (response.status === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
        await response.text();
      }
    };
    await Promise.all(Array.from({ length: 200 }, client));
    expect(statuses).toHaveLength(2000);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const done = statuses.filter((status) => status === 200).length;
    expect(model.sessions[0]?.jobs.flatMap(({ seeds }) => seeds)).toHaveLength(done);
    expect(await server.metrics.registry.metrics()).toContain(`outcome="completed"} ${done}`);
    expect(health.length).toBeGreaterThan(0);
    expect(new Set(health)).toEqual(new Set([200]));
    expect((await fetch(`${url}${PATH}`, post({ prompt: 'x', steps: 1 }))).status).toBe(200);
  });
});

describe('a thousand clients that leave', () => {
  it('leave nothing behind, wherever they were', { timeout: 300_000 }, async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({ queue: 1000 }, { models: [model] });
    const { url } = await listening(server);
    let random = 1;
    const next = (below: number) => {
      random = (random * 48_271) % 2_147_483_647;
      return random % below;
    };
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 50 }, (_, index) => {
        const leave = new AbortController();
        const stream = index % 2 === 0;
        const body = { prompt: `p${next(5)}`, steps: 1 + next(30), seed: index, stream };
        const answer = fetch(`${url}${PATH}`, post(body, leave.signal)).then((response) => response.text());
        const leaves = next(400);
        let ticks = 0;
        const tick = () => {
          if (ticks++ === leaves) leave.abort();
          else setImmediate(tick);
        };
        tick();
        return answer.then(
          () => 'answered',
          () => 'left',
        );
      });
      await Promise.all(clients);
    }
    await server.queue.drain();
    expect([server.queue.length, server.queue.running]).toEqual([0, 0]);
    const metrics = await server.metrics.registry.metrics();
    const ends = [...metrics.matchAll(/t2i_requests_total\{api="openai",outcome="(\w+)"\} (\d+)/g)];
    expect(ends.map(([, end]) => end).sort()).toEqual(['cancelled', 'completed']);
    const accepted = ends.reduce((sum, [, , count]) => sum + Number(count), 0);
    expect(accepted).toBeLessThanOrEqual(1000);
    expect(accepted).toBeGreaterThan(500);
  });
});

describe('a client that does not finish', () => {
  it.each([
    ['its headers', 'POST /v1/models HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    [
      'its body',
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"prompt"`,
    ],
    [
      'a chunk',
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{`,
    ],
    ['its request line', 'POST /v1'],
  ])('is sent away where it stops in the middle of %s, while others are answered', async (_, bytes) => {
    const { url } = await listening(await memoryServer(), { slowestRequest: 600 });
    const slow = Array.from({ length: 20 }, () => answerTo(url, bytes));
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1.1 408/);
  });
});

describe('what is no request', () => {
  const huge = 'x'.repeat(64 << 10);

  it.each([
    ['one huge header', `GET / HTTP/1.1\r\nHost: x\r\nX-Huge: ${huge}\r\n\r\n`, 431],
    ['very many headers', `GET / HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(10_000)}\r\n`, 431],
    ['a huge address', `GET /${huge} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['two lengths', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx`, 400],
    [
      'a length and chunks',
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a length below zero', `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`, 400],
    [
      'a chunk whose size has very many digits',
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(40)}\r\nx`,
      400,
    ],
    [
      'a chunk with a huge extension',
      `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;${huge}\r\nx\r\n`,
      413,
    ],
    ['noise', '\u0000\u0001\u0002\u0003\r\n\r\n', 400],
  ])('is refused: %s', async (_, bytes, status) => {
    const server = await memoryServer();
    const { url } = await listening(server, { slowestRequest: 600 });
    expect(await answerTo(url, Buffer.from(bytes, 'latin1'))).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
  });

  it('does not hurt requests that follow each other without waiting', async () => {
    const { url } = await listening(await memoryServer());
    const one = 'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n';
    const last = 'GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const answer = await answerTo(url, one.repeat(9) + last);
    expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(10);
  });
});

describe('the sockets', () => {
  it('say which port is taken, and leave none open then', async () => {
    const first = await listening(await memoryServer());
    const server = await memoryServer();
    const { listen } = await import('../../../src/server/listen.js');
    const port = Number(new URL(first.url).port);
    await expect(listen(server.server, { port: 0, adminPort: port })).rejects.toMatchObject({
      code: 'IO_FAILED',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });
});

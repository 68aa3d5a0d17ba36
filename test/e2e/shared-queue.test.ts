import { describe, expect, it } from 'vitest';
import { readReceipt } from '../../src/image/read-receipt.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { type Program, startServe, startWorker } from '../support/serve-process.js';
import { noCommand, noPosix, skipFor } from '../support/skip-for.js';
import { type SentEvent, sseEvents } from '../support/sse.js';

/** Kills of a process in the middle of a job; T2I_SHARED_KILLS makes more. */
const KILLS = Number(process.env.T2I_SHARED_KILLS ?? 20);
const SEEDS = [11, 12, 13];
const JOB = { prompt: 'a cat', steps: 100, seeds: SEEDS, size: '64x64' };

const post = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

const shared = ({ url }: RedisServer) => ['--redis', url, '--redis-lock', '1s'];

/** The events of a job as a server tells them, and each as soon as it comes. */
async function follow(url: string, onEvent: (event: SentEvent) => void = () => {}): Promise<SentEvent[]> {
  const response = await fetch(url);
  const events: SentEvent[] = [];
  let rest = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    rest += chunk;
    const end = rest.lastIndexOf('\n\n') + 2;
    for (const event of sseEvents(rest.slice(0, end))) {
      events.push(event);
      onEvent(event);
    }
    rest = rest.slice(end);
  }
  return events;
}

/** Images of an order that were kept, as its stream in Redis has them: a ledger that nobody can write twice into. */
async function ledger({ client }: RedisServer, id: string): Promise<string[]> {
  const entries = await client.xrange(`t2i:order:${id}:events`, '-', '+');
  const fields = entries.map(([, each]) => each).filter((each) => each[1] === 'image');
  return fields.map((each) => each[each.indexOf('image', 2) + 1] as string).sort();
}

async function expectWhole(redis: RedisServer, id: string, events: readonly SentEvent[]): Promise<void> {
  expect(events.at(-1)).toMatchObject({ event: 'completed', data: { images: SEEDS.map((seed) => ({ seed })) } });
  expect(await ledger(redis, id)).toEqual(['0', '1', '2']);
  const steps = events.filter(({ event }) => event === 'step').map(({ data }) => `${data.image}:${data.step}`);
  expect(new Set(steps).size).toBe(steps.length);
}

/** Hashes of the pixels of the images of a job. */
function pixels(events: readonly SentEvent[]): Promise<string[]> {
  const images = events.at(-1)?.data.images as { b64_json: string }[];
  return Promise.all(
    images.map(async ({ b64_json }) => (await readReceipt(new Uint8Array(Buffer.from(b64_json, 'base64')))).rgbSha256),
  );
}

const lacks = skipFor(noPosix, noCommand('redis-server'));

describe('servers and workers with one queue', lacks, () => {
  it('lose nothing and draw nothing twice, whichever process is killed when', { timeout: 600_000 }, async () => {
    const redis = await startRedis();
    const { url } = await startServe([...shared(redis), '--no-worker']);
    const workers: Program[] = await Promise.all([startWorker(shared(redis)), startWorker(shared(redis))]);
    let expected: string[] | null = null;
    let drawnOn = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const { id, events_url } = (await (await fetch(`${url}/v1/jobs`, post(JOB))).json()) as Record<string, string>;
      const [victim, moment] = [Math.floor(Math.random() * 2), Math.floor(Math.random() * 250)];
      const describeKill = `kill ${kill}: worker ${victim} at event ${moment}`;
      let seen = 0;
      const events = await follow(`${url}${events_url}`, () => {
        if (seen++ === moment) (workers[victim] as Program).child.kill('SIGKILL');
      });
      await expectWhole(redis, id as string, events).catch((error: Error) => {
        error.message = `${describeKill}: ${error.message}`;
        throw error;
      });
      expected ??= await pixels(events);
      expect(await pixels(events)).toEqual(expected);
      if ((workers[victim] as Program).child.killed) {
        await (workers[victim] as Program).ended;
        drawnOn += Number(workers.some(({ output }) => output().includes(`"order":"${id}"`)));
        workers[victim] = await startWorker(shared(redis));
      }
    }
    // Half of the kills hit the one that draws.
    expect(drawnOn).toBeGreaterThan(0);
  });

  it('go on with a job whose server is killed, for those who follow it at another', async () => {
    const redis = await startRedis();
    const first = await startServe(shared(redis));
    const { id, events_url } = (await (await fetch(`${first.url}/v1/jobs`, post(JOB))).json()) as Record<
      string,
      string
    >;
    const second = await startServe(shared(redis));
    // The first one draws: it was alone. What it had done by now the second has from the stream.
    const events = await follow(`${second.url}${events_url}`, ({ event }) => {
      if (event === 'step' || event === 'status') first.child.kill('SIGKILL');
    });
    await expectWhole(redis, id as string, events);
  });

  it('finish on SIGTERM what they have, and end with 0', async () => {
    const redis = await startRedis();
    const { url } = await startServe([...shared(redis), '--no-worker']);
    const worker = await startWorker(shared(redis));
    const { id, events_url } = (await (await fetch(`${url}/v1/jobs`, post(JOB))).json()) as Record<string, string>;
    let told = false;
    const events = await follow(`${url}${events_url}`, ({ event }) => {
      if (event !== 'step' || told) return;
      told = true;
      worker.child.kill('SIGTERM');
    });
    await expectWhole(redis, id as string, events);
    expect(await worker.ended).toBe(0);
  });
});

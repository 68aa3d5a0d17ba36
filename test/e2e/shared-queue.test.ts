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

const shared = ({ url }: RedisServer) => ['--redis', url, '--redis-lock', '2s'];

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

async function start(url: string): Promise<{ id: string; events_url: string }> {
  return (await (await fetch(`${url}/v1/jobs`, post(JOB))).json()) as { id: string; events_url: string };
}

/** The events of the same images, as OpenAI's API streams them. */
async function stream(url: string): Promise<SentEvent[]> {
  const response = await fetch(`${url}/v1/images/generations`, post({ ...JOB, stream: true, partial_images: 1 }));
  return sseEvents(await response.text());
}

interface SentImage {
  readonly b64_json: string;
}

/** Hashes of the pixels of images, in their order. */
function hashes(images: readonly SentImage[]): Promise<string[]> {
  return Promise.all(
    images.map(async ({ b64_json }) => (await readReceipt(new Uint8Array(Buffer.from(b64_json, 'base64')))).rgbSha256),
  );
}

/** Those of the images of a job. */
const pixels = (events: readonly SentEvent[]) => hashes(events.at(-1)?.data.images as SentImage[]);

/** Those of the images of a stream, each of which came once. */
async function imagesOf(events: readonly SentEvent[] | null): Promise<string[]> {
  const completed = events?.filter(({ event }) => event === 'image_generation.completed') ?? [];
  expect(completed.map(({ data }) => data.seed)).toEqual(SEEDS);
  return hashes(completed.map(({ data }) => data as unknown as SentImage));
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
      const { id, events_url } = await start(url);
      const [victim, moment] = [Math.floor(Math.random() * 2), Math.floor(Math.random() * 250)];
      const describeKill = `kill ${kill}: worker ${victim} at event ${moment}`;
      let seen = 0;
      const events = await follow(`${url}${events_url}`, () => {
        if (seen++ === moment) (workers[victim] as Program).child.kill('SIGKILL');
      });
      await expectWhole(redis, id, events).catch((error: Error) => {
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

  it('answer once each client of a process that is killed, whichever it is', { timeout: 600_000 }, async () => {
    const redis = await startRedis();
    const asked = await startServe([...shared(redis), '--no-worker']);
    let [other, worker] = [await startServe(shared(redis)), await startWorker(shared(redis))];
    const alone = await imagesOf(await stream(asked.url));
    for (const victim of ['worker', 'other', 'asked'] as const) {
      const { child } = { worker, other, asked }[victim];
      const { id, events_url } = await start(asked.url);
      // It is killed in the middle of the job, with a stream behind it; what it had of both is another's then.
      const streaming = stream(asked.url).catch(() => null);
      const here = follow(`${asked.url}${events_url}`, ({ event }) => event === 'step' && child.kill('SIGKILL'));
      const cut = here.catch(() => null);
      if (victim !== 'asked') await expectWhole(redis, id, await here);
      if (victim === 'other') other = await startServe(shared(redis));
      if (victim === 'worker') worker = await startWorker(shared(redis));
      const there = await follow(`${other.url}${events_url}`);
      await expectWhole(redis, id, there);
      expect(await (await fetch(`${other.url}/v1/jobs/${id}`)).json()).toMatchObject(there.at(-1)?.data);
      // The connections of a server end with it.
      await cut;
      const streamed = await streaming;
      if (victim !== 'asked') expect(await imagesOf(streamed)).toEqual(alone);
    }
  });

  it('go on with a job in whose middle Redis is killed and comes back', async () => {
    const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    const { url } = await startServe([...shared(redis), '--no-worker']);
    await startWorker(shared(redis));
    const { id, events_url } = await start(url);
    let restarted: Promise<void> | undefined;
    const streaming = stream(url);
    const events = await follow(`${url}${events_url}`, ({ event }) => {
      if (event === 'step') restarted ??= redis.stop().then(() => redis.start());
    });
    await restarted;
    await expectWhole(redis, id, events);
    expect(await imagesOf(await streaming)).toEqual(await pixels(events));
  });

  it('finish on SIGTERM what they have, and end with 0', async () => {
    const redis = await startRedis();
    const { url } = await startServe([...shared(redis), '--no-worker']);
    const worker = await startWorker(shared(redis));
    const { id, events_url } = await start(url);
    let told = false;
    const events = await follow(`${url}${events_url}`, ({ event }) => {
      if (event !== 'step' || told) return;
      told = true;
      worker.child.kill('SIGTERM');
    });
    await expectWhole(redis, id, events);
    expect(await worker.ended).toBe(0);
  });
});

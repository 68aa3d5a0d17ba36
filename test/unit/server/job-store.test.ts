import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { RepeatedJob } from '../../../src/server/jobs/elsewhere.js';
import type { Job } from '../../../src/server/jobs/job.js';
import { JobStore } from '../../../src/server/jobs/job-store.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';
import { ALICE, as, BOB, body, ended } from './job-calls.js';

describe('an idempotency key', () => {
  const key = { 'idempotency-key': 'order-1' };

  it('finds the job of the first call, and draws nothing twice', async () => {
    const model = memoryModel('formula');
    const server = await memoryServer({}, { models: [model] });
    const [first, second] = [await server.post('/v1/jobs', body, key), await server.post('/v1/jobs', body, key)];
    expect(second.body.id).toBe(first.body.id);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    await server.queue.drain();
    expect(model.sessions[0]?.jobs).toHaveLength(1);
  });

  it('is refused with another body, and is another with another caller', async () => {
    const server = await memoryServer({ apiKeys: [ALICE, BOB] });
    const first = await server.post('/v1/jobs', body, { ...key, ...as(ALICE) });
    const other = await server.post('/v1/jobs', { ...body, seed: 8 }, { ...key, ...as(ALICE) });
    expect([other.status, other.body.error.code]).toEqual([422, 'idempotency_conflict']);
    const bobs = await server.post('/v1/jobs', body, { ...key, ...as(BOB) });
    expect(bobs.body.id).not.toBe(first.body.id);
  });

  it.each(['a b', 'ü', 'x'.repeat(256)])('is refused as %j, which is not repeated', async (given) => {
    const server = await memoryServer();
    const { status, body: refused } = await server.post('/v1/jobs', body, { 'idempotency-key': given });
    expect([status, refused.error.issues]).toEqual([
      400,
      [
        {
          param: 'Idempotency-Key',
          message: `Idempotency-Key: expected 1 to 255 visible ASCII characters, received ${given.length} others`,
        },
      ],
    ]);
    expect((await server.post('/v1/jobs', body, { 'idempotency-key': 'x'.repeat(255) })).status).toBe(202);
  });

  it('finds a job for as long as that is kept, and no other that took its place', async () => {
    const clock = new FakeClock();
    const server = await memoryServer({}, { clock });
    const first = await server.post('/v1/jobs', body, key);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    await ended(server, first.body);
    await clock.turn(600_000);
    const second = await server.post('/v1/jobs', body, key);
    expect([second.status, second.headers.get('idempotency-replayed')]).toEqual([202, null]);
    expect(second.body.id).not.toBe(first.body.id);
    expect((await server.post('/v1/jobs', body, key)).body.id).toBe(second.body.id);
    await ended(server, second.body);
  });

  it('can be used again where the queue did not take the first call', async () => {
    const server = await memoryServer({ queue: 1 });
    const taken = [];
    for (const prompt of ['runs', 'waits']) {
      taken.push(await server.post('/v1/jobs', { ...body, prompt }));
      await Promise.resolve();
    }
    expect((await server.post('/v1/jobs', body, key)).status).toBe(429);
    for (const { body: job } of taken) await ended(server, job);
    const again = await server.post('/v1/jobs', { ...body, seed: 8 }, key);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, null]);
    await ended(server, again.body);
  });

  it('can be used again where the first call was refused', async () => {
    const server = await memoryServer();
    expect((await server.post('/v1/jobs', { ...body, n: 0 }, key)).status).toBe(400);
    expect((await server.post('/v1/jobs', body, key)).status).toBe(202);
  });
});

describe('the store of jobs', () => {
  const job = (id: string, changes: object = {}) =>
    ({
      ...{ id, caller: 'a', bytes: 100, isOver: true, accepted: Promise.resolve(), over: new Promise(() => {}) },
      ...changes,
    }) as unknown as Job;
  const others = (found: Job | 'gone' | null) => {
    const source = {
      asked: 0,
      repeated: async () => null as { id: string; body: string } | null,
      find: async () => found,
    };
    const find = source.find;
    source.find = async () => {
      source.asked++;
      await settled();
      return find();
    };
    return source;
  };
  const storeWith = (source: ReturnType<typeof others>) =>
    new JobStore({ ttl: 1000, maxBytes: 250, clock: new FakeClock(), others: source });

  it('asks other servers once for what several look for at a time, and keeps what it finds', async () => {
    const source = others(job('theirs'));
    const store = storeWith(source);
    const found = await Promise.all([store.find('theirs', 'a'), store.find('theirs', 'a')]);
    expect([found[0] === found[1], await store.find('theirs', 'a'), source.asked]).toEqual([true, found[0], 1]);
  });

  it('asks again for what was nowhere, and tells what is gone there', async () => {
    const source = others(null);
    const store = storeWith(source);
    for (let time = 0; time < 2; time++)
      await expect(store.find('none', 'a')).rejects.toMatchObject({ code: 'not_found' });
    expect(source.asked).toBe(2);
    await expect(storeWith(others('gone')).find('theirs', 'a')).rejects.toMatchObject({ code: 'gone' });
  });

  it('finds what another server started with the same key, unless the body is another', async () => {
    const theirs = job('theirs');
    const started = vi.fn(() => job('mine'));
    const source = others(theirs);
    const store = storeWith(source);
    const sha256 = createHash('sha256').update('{}').digest('hex');
    source.repeated = async () => ({ id: 'theirs', body: sha256 });
    expect(await store.create('a', 'key', '{}', started)).toEqual({ job: theirs, repeated: true });
    await expect(store.create('a', 'key', '{"n":2}', started)).rejects.toMatchObject({ code: 'idempotency_conflict' });
    expect(started).not.toHaveBeenCalled();
    // Another server may be faster still, after it was asked.
    source.repeated = async () => null;
    const faster = () => job('mine', { accepted: Promise.reject(new RepeatedJob('theirs', sha256)) });
    expect(await store.create('a', 'key', '{}', faster)).toEqual({ job: theirs, repeated: true });
    const other = () => job('mine', { accepted: Promise.reject(new RepeatedJob('theirs', 'other')) });
    await expect(store.create('a', 'key', '{}', other)).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });

  it('keeps images up to the very last byte that it may', async () => {
    const store = new JobStore({ ttl: 1000, maxBytes: 200, clock: new FakeClock() });
    for (const id of ['1', '2']) await store.create('a', undefined, '{}', () => job(id, { over: Promise.resolve() }));
    await settled();
    expect((await store.find('1', 'a')).id).toBe('1');
  });

  it('keeps no more bytes of images than it may: the oldest that are over go first', async () => {
    const store = new JobStore({ ttl: 1000, maxBytes: 250, clock: new FakeClock() });
    const start = async (id: string, isOver: boolean) => {
      const job = {
        id,
        caller: 'a',
        bytes: isOver ? 100 : 0,
        isOver,
        accepted: Promise.resolve(),
        over: isOver ? Promise.resolve() : new Promise(() => {}),
      };
      return store.create('a', undefined, '{}', () => job as unknown as Job);
    };
    await start('runs', false);
    for (const id of ['1', '2', '3']) await start(id, true);
    await settled();
    await expect(store.find('1', 'a')).rejects.toMatchObject({ status: 410 });
    for (const id of ['runs', '2', '3']) expect((await store.find(id, 'a')).id).toBe(id);
  });
});

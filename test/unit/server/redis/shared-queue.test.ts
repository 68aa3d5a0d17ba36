import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import type { GeneratedImage } from '../../../../src/image/generated-image.js';
import { parseRequest } from '../../../../src/options.js';
import { GoesOnElsewhere, RepeatedJob } from '../../../../src/server/jobs/elsewhere.js';
import { ServedModels } from '../../../../src/server/models/served-model.js';
import { workOf } from '../../../../src/server/queue/estimate.js';
import type { JobOrder, RequestOrder } from '../../../../src/server/queue/queued-request.js';
import type { RedisPackages } from '../../../../src/server/redis/connection.js';
import type { OrderEnd, OrderEvent } from '../../../../src/server/redis/order.js';
import type { Accepted, OrderStore, QueueView } from '../../../../src/server/redis/order-store.js';
import { queueName } from '../../../../src/server/redis/queue-name.js';
import { SharedQueue } from '../../../../src/server/redis/shared-queue.js';
import { FakeClock, settled } from '../../../support/fake-clock.js';
import { memoryModel } from '../../../support/memory-server.js';
import { LIMITS } from '../../../support/request-limits.js';

const VIEW: QueueView = { waiting: [], running: [], rates: new Map(), workers: 1 };
/** Its one request still takes 3.3 s. */
const BUSY = { ...VIEW, running: [{ id: 'a', queue: 'q', work: 3 }], rates: new Map([['q', 1100]]) };
const JOB: JobOrder = {
  ...{ id: 'job_1', kept: 7000, repeat: { place: 'p', body: 'b' } },
  facts: { caller: 'a', createdAt: 1, file: { format: 'png' }, warnings: [] },
};

/** A shared queue over a Redis and a BullMQ that answer as the test says. */
async function sharing(view = VIEW) {
  const redis = { view, events: [] as OrderEvent[], end: null as OrderEnd | null };
  const store = {
    look: vi.fn(async () => redis.view),
    accept: vi.fn(async (): Promise<Accepted> => ({ kind: 'accepted', round: 3 })),
    leave: vi.fn(async () => true),
    forget: vi.fn(async () => {}),
    endOf: async () => redis.end,
    events: async (_id: string, after: string) =>
      redis.events.slice(Number(after)).map((event, at) => ({ at: String(Number(after) + at + 1), event })),
    imageOf: async (_id: string, _index: number, seed: number) => ({ seed }) as GeneratedImage,
  };
  const bull = {
    made: [] as unknown[],
    add: vi.fn(async () => {}),
    remove: vi.fn(async () => {}),
    close: vi.fn(async () => {}),
  };
  class Queue extends EventEmitter {
    add = bull.add;
    remove = bull.remove;
    close = bull.close;
    constructor(...args: unknown[]) {
      super();
      bull.made.push(args);
    }
  }
  const connection = () =>
    Object.assign(new EventEmitter(), {
      ...{ status: 'ready', subscribe: async () => {}, unsubscribe: async () => {}, disconnect: vi.fn() },
    });
  const [client, subscriber] = [connection(), connection()];
  const clock = new FakeClock();
  const model = memoryModel('formula');
  const queue = await SharedQueue.open({
    packages: { bullmq: { Queue } } as unknown as RedisPackages,
    ...{ client: client as unknown as Redis, subscriber: subscriber as unknown as Redis, clock },
    ...{ store: store as unknown as OrderStore, models: new ServedModels([model]), limit: 4, limitPerKey: 1 },
    log: { info: vi.fn(), warn: vi.fn(), error: vi.fn() },
  });
  const request = parseRequest({ prompt: 'a cat', seeds: [4, 9], steps: 3 }, LIMITS);
  const order = (more: Partial<RequestOrder> = {}): RequestOrder => ({
    ...{ key: 'a', model: 'formula', api: 'openai', timeout: 5000, request, ...more },
  });
  const add = async (more: Partial<RequestOrder> = {}) => {
    const queued = queue.add(order(more));
    await settled();
    return queued;
  };
  /** Lets the images of an order come. */
  const complete = async () => {
    redis.events.push({ type: 'start' }, { type: 'image', image: 0 }, { type: 'image', image: 1 });
    subscriber.emit('ready');
    await settled();
  };
  return {
    redis,
    store,
    bull,
    client,
    subscriber,
    clock,
    queue,
    request,
    order,
    add,
    complete,
    name: queueName(model),
  };
}

const late = { kind: 'failed', error: expect.objectContaining({ code: 'deadline_exceeded', status: 504 }) };
const idOf = ({ store }: Awaited<ReturnType<typeof sharing>>) => {
  const [[first] = []] = store.accept.mock.calls as unknown as [{ id: string }][];
  return first?.id ?? 'none';
};

describe('a request of a shared queue', () => {
  it('is put into Redis with all that others need, and offered to who draws', async () => {
    const all = await sharing();
    const { store, bull, request, name, queue } = all;
    const queued = await all.add();
    await queued.accepted;
    expect(store.accept).toHaveBeenCalledWith({
      ...{ id: expect.stringMatching(/^order_[\w-]{22}$/), queue: name, work: workOf(request), timeout: 5000 },
      ...{ kept: 60_000, limit: 4, limitPerKey: 1, repeat: undefined },
      order: { model: 'formula', key: 'a', api: 'openai', request },
    });
    expect(bull.add.mock.calls).toEqual([['draw', {}, { jobId: idOf(all), priority: 3 }]]);
    expect(bull.made[0]).toEqual([name, expect.objectContaining({ prefix: 't2i-bull' })]);
    expect(bull.made[0]).toMatchObject([{}, { defaultJobOptions: { removeOnComplete: true, removeOnFail: true } }]);
    expect([queue.limit, queue.isUp, queue.workers]).toEqual([4, true, 1]);
  });

  it('of a job can be asked after elsewhere, by its own id', async () => {
    const { store, add } = await sharing();
    await add({ job: JOB });
    const asked = { id: 'job_1', kept: 7000, repeat: JOB.repeat, order: expect.objectContaining({ job: JOB.facts }) };
    expect(store.accept).toHaveBeenCalledWith(expect.objectContaining(asked));
  });

  it('has a place that BullMQ takes, however many its key sent', async () => {
    const { store, bull, add } = await sharing();
    await add();
    store.accept.mockResolvedValueOnce({ kind: 'accepted', round: 3_000_000 });
    await add();
    const priorities = bull.add.mock.calls.map((call: unknown[]) => (call[2] as { priority: number }).priority);
    expect([priorities, bull.made.length]).toEqual([[3, 2_000_000], 1]);
  });

  it.each<[answer: Accepted, refused: unknown]>([
    [{ kind: 'full' }, { code: 'queue_full', message: expect.stringMatching(/it has 4 places/), retryAfter: 4 }],
    [
      { kind: 'full of key' },
      { code: 'queue_full', message: expect.stringMatching(/A key has 1 place/), retryAfter: 4 },
    ],
    [{ kind: 'repeated', id: 'job_0', body: 'b' }, expect.any(RepeatedJob)],
  ])('is refused where Redis answers %j', async (answer, refused) => {
    const { store, bull, add } = await sharing(BUSY);
    store.accept.mockResolvedValueOnce(answer);
    const queued = await add();
    await expect(queued.accepted).rejects.toMatchObject(refused as object);
    expect([queued.wasRefused, bull.add.mock.calls, store.leave.mock.calls]).toEqual([true, [], []]);
  });

  it('is refused where Redis is away, and forgotten when it is back', async () => {
    const all = await sharing();
    all.store.accept.mockRejectedValueOnce(new Error('away'));
    all.store.forget.mockRejectedValueOnce(new Error('away'));
    const queued = await all.add();
    const refused = { status: 503, code: 'queue_unavailable', retryAfter: 1, cause: expect.any(Error) };
    await expect(queued.result).rejects.toMatchObject(refused);
    all.client.emit('ready');
    await settled();
    all.client.emit('ready');
    expect(all.store.forget.mock.calls).toEqual([[idOf(all)], [idOf(all)]]);
  });

  it('is not taken while Redis is away, nor by one that shuts down, nor of a client that left', async () => {
    const { client, queue, order } = await sharing();
    expect(() => queue.add(order({ signal: AbortSignal.abort(new Error('left')) }))).toThrow('left');
    client.status = 'reconnecting';
    expect(() => queue.admit()).toThrow(expect.objectContaining({ code: 'queue_unavailable', retryAfter: 1 }));
    expect(queue.isUp).toBe(false);
    void queue.drain();
    expect(queue.draining).toBe(true);
    expect(() => queue.add(order())).toThrow(expect.objectContaining({ code: 'draining' }));
  });

  it('is completed by its images, and forgotten there, where nobody asks after it', async () => {
    const all = await sharing();
    const queued = await all.add();
    await all.complete();
    expect((await queued.result).map(({ seed }) => seed)).toEqual([4, 9]);
    expect([all.store.forget.mock.calls, all.store.leave.mock.calls, all.clock.pending]).toEqual([
      [[idOf(all)]],
      [],
      1,
    ]);
  });

  it('of a job is kept there when it is completed', async () => {
    const { store, add, complete } = await sharing();
    const queued = await add({ job: JOB });
    await complete();
    expect([queued.state, store.forget.mock.calls, store.leave.mock.calls]).toEqual(['completed', [], []]);
  });

  it.each([
    ['and is offered no more', true, 1],
    ['and whoever draws it is told', false, 0],
  ])('ends there when its time is over, %s', async (_, nobodyDraws, removed) => {
    const all = await sharing();
    all.store.leave.mockResolvedValueOnce(nobodyDraws);
    const queued = await all.add();
    await all.clock.turn(4999);
    expect(queued.settled).toBe(false);
    await all.clock.turn(1);
    expect([queued.state, all.store.leave.mock.calls]).toEqual(['failed', [[idOf(all), late]]]);
    expect(all.bull.remove.mock.calls).toEqual(Array(removed).fill([idOf(all)]));
  });

  it('ends there as cancelled when its client leaves, also where it left before it was taken', async () => {
    const client = new AbortController();
    const all = await sharing();
    let take = (_: Accepted) => {};
    all.store.accept.mockReturnValueOnce(new Promise((resolve) => { take = resolve; })); // biome-ignore format: one line
    const queued = await all.add({ signal: client.signal });
    client.abort(new Error('left'));
    await settled();
    take({ kind: 'accepted', round: 1 });
    await settled();
    expect(queued.state).toBe('cancelled');
    expect(all.store.leave.mock.calls).toEqual(Array(2).fill([idOf(all), { kind: 'cancelled' }]));
  });

  it('has the place and the time that the shared queue tells', async () => {
    const all = await sharing();
    const queued = await all.add();
    const each = (id: string, work: number) => ({ id, queue: 'q', work });
    all.redis.view = {
      ...VIEW,
      waiting: [each('x', 2), each(idOf(all), 3)],
      running: [each('r', 1)],
      rates: new Map([['q', 10]]),
    };
    const moved = vi.fn();
    all.queue.onMove(moved);
    all.subscriber.emit('message', 't2i:moved');
    await settled();
    expect([all.queue.position(queued), all.queue.eta(queued), all.queue.length, all.queue.running]).toEqual([
      1, 60, 2, 1,
    ]);
    expect(moved).toHaveBeenCalled();
  });
});

describe('a request that another server took', () => {
  const FOUND = { order: {} as never, end: null, takes: 0, round: 2, left: 900 };

  it.each([
    ['is offered once more where nobody took it yet', {}, 1],
    ['is not offered where it was taken', { takes: 1 }, 0],
    ['is not offered where it is over', { end: { kind: 'cancelled' } as const }, 0],
  ])('%s', async (_, found, offers) => {
    const { queue, bull, order } = await sharing();
    const queued = queue.attach('job_1', order({ job: JOB }), { ...FOUND, ...found });
    await expect(queued.accepted).resolves.toBeUndefined();
    await settled();
    expect(bull.add.mock.calls).toEqual(Array(offers).fill(['draw', {}, { jobId: 'job_1', priority: 2 }]));
  });

  it.each([
    ['the rest of its time', null, 900],
    ['all of the time, for its images to be read, where it is over', { kind: 'completed' } as const, 5000],
  ])('has %s', async (_, end, time) => {
    const { queue, clock, order } = await sharing();
    const queued = queue.attach('job_1', order({ job: JOB }), { ...FOUND, end });
    await clock.turn(time - 1);
    expect(queued.settled).toBe(false);
    await clock.turn(1);
    expect(queued.state).toBe('failed');
  });
});

describe('a server of a shared queue', () => {
  it('that drains waits for its own clients, and not for jobs', async () => {
    const { queue, add, complete } = await sharing();
    await add();
    await add({ job: JOB });
    const drained = vi.fn();
    void queue.drain().then(drained);
    await settled();
    expect(drained).not.toHaveBeenCalled();
    await complete();
    expect(drained).toHaveBeenCalled();
  });

  it('that closes ends what its own clients wait for, and lets jobs go on elsewhere', async () => {
    const all = await sharing();
    const [own, job] = [await all.add(), await all.add({ job: JOB })];
    all.bull.close.mockRejectedValueOnce(new Error('away'));
    await Promise.all([all.queue.close(), all.queue.close()]);
    await expect(own.result).rejects.toMatchObject({ code: 'draining' });
    await expect(job.result).rejects.toBeInstanceOf(GoesOnElsewhere);
    const end = { kind: 'failed', error: expect.objectContaining({ code: 'draining' }) };
    expect(all.store.leave.mock.calls).toEqual([[idOf(all), end]]);
    const ended = [all.bull.close, all.client.disconnect, all.subscriber.disconnect];
    expect(ended.map(({ mock }) => mock.calls.length)).toEqual([1, 1, 1]);
    expect([all.queue.draining, all.clock.pending]).toEqual([true, 0]);
  });
});

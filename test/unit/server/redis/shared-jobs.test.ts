import { describe, expect, it, vi } from 'vitest';
import { QueuedRequest, type RequestOrder } from '../../../../src/server/queue/queued-request.js';
import { ForeignContent, readOrder } from '../../../../src/server/redis/order.js';
import type { FoundOrder, OrderStore } from '../../../../src/server/redis/order-store.js';
import { SharedJobs } from '../../../../src/server/redis/shared-jobs.js';
import type { SharedQueue } from '../../../../src/server/redis/shared-queue.js';
import { FakeClock, settled } from '../../../support/fake-clock.js';
import { memoryServer } from '../../../support/memory-server.js';
import { memoryPipeline } from '../../../support/memory-session.js';

const ID = `job_${'x'.repeat(22)}`;
const FACTS = { caller: 'alice', createdAt: 12, file: { format: 'png' }, warnings: [] };
const foundOf = (order: object = {}, more: Partial<FoundOrder> = {}): FoundOrder => ({
  order: readOrder(
    JSON.stringify({
      ...{ v: 1, model: 'formula', key: 'a', api: 'jobs', job: FACTS },
      request: {
        ...{ prompt: 'a cat', negativePrompt: '', seeds: [1], steps: 5, guidanceScale: 1, sampler: 'ddim' },
        ...{ sigmas: null, eta: 0, width: 32, height: 32, previewEvery: 0 },
      },
      ...order,
    }),
  ),
  ...{ end: null, takes: 0, round: 1, left: 900, ...more },
});

/** The jobs of a Redis that knows one order. */
async function jobsOf(found: FoundOrder | null) {
  const server = await memoryServer();
  const store = {
    find: vi.fn(async () => found),
    keepsImages: vi.fn(async () => true),
    repeated: vi.fn(async () => ({ id: ID, body: 'hash' })),
  };
  const attached: QueuedRequest[] = [];
  const attach = vi.fn((_id: string, order: RequestOrder, _found: FoundOrder) => {
    const queued = new QueuedRequest(order, new FakeClock());
    queued.accept();
    attached.push(queued);
    return queued;
  });
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const queue = { attach } as unknown as SharedQueue;
  const jobs = new SharedJobs(server.service, queue, store as unknown as OrderStore, log);
  return { server, store, attach, attached, log, jobs };
}

const unreachable = { status: 503, code: 'queue_unavailable', retryAfter: 1, cause: expect.any(Error) };

describe('a job of another server', () => {
  it('is followed here, as its own caller’s, with all that decides its answer', async () => {
    const found = foundOf();
    const { jobs, attach, server } = await jobsOf(found);
    const job = await jobs.find(ID);
    expect(job).toMatchObject({ id: ID, caller: 'alice', status: 'queued' });
    const order = {
      ...{ key: 'a', model: 'formula', api: 'jobs', request: found.order.request },
      timeout: server.service.limits.timeout,
    };
    expect(attach).toHaveBeenCalledWith(
      ID,
      expect.objectContaining({ ...order, job: { id: ID, kept: 0, facts: FACTS } }),
      found,
    );
    expect(attach.mock.calls[0]?.[1]).toMatchObject({ signal: expect.any(AbortSignal), onStep: expect.any(Function) });
  });

  it.each([
    ...['job_', `job_${'x'.repeat(21)}`, `job_${'x'.repeat(23)}`, `order_${'x'.repeat(22)}`, `xjob_${'x'.repeat(22)}`],
    ...[`job_${'/'.repeat(22)}`, `${ID}\n`],
  ])('is not looked for by %j, which is the id of none', async (id) => {
    const { jobs, store } = await jobsOf(foundOf());
    expect([await jobs.find(id), store.find.mock.calls]).toEqual([null, []]);
  });

  it.each<[what: string, found: FoundOrder | null]>([
    ['that there is not', null],
    ['of a model that is not served here', foundOf({ model: 'other' })],
    ['that nobody may ask after', foundOf({ job: undefined })],
  ])('is none: one %s', async (_, found) => {
    const { jobs, attach } = await jobsOf(found);
    expect([await jobs.find(ID), attach.mock.calls]).toEqual([null, []]);
  });

  it('is gone where its images are not kept any more, and only then', async () => {
    const { jobs, store } = await jobsOf(foundOf({}, { end: { kind: 'completed' } }));
    store.keepsImages.mockResolvedValueOnce(false);
    expect(await jobs.find(ID)).toBe('gone');
    const going = await jobsOf(foundOf());
    going.store.keepsImages.mockResolvedValueOnce(false);
    expect(await going.jobs.find(ID)).toMatchObject({ id: ID });
    expect(going.store.keepsImages).not.toHaveBeenCalled();
  });

  it('that is over is told when its images are read', async () => {
    const { jobs, attached } = await jobsOf(foundOf({}, { end: { kind: 'completed' } }));
    const found = vi.fn();
    const finding = jobs.find(ID).then(found);
    await settled();
    expect(found).not.toHaveBeenCalled();
    const { images } = await memoryPipeline().pipeline.generate({ prompt: 'a cat', steps: 5, seed: 1 });
    attached[0]?.image(0, images[0] as (typeof images)[0]);
    await finding;
    expect(found).toHaveBeenCalledWith(expect.objectContaining({ id: ID, isOver: true, status: 'completed' }));
  });

  it('is none where others wrote it, which is logged', async () => {
    const { jobs, store, log } = await jobsOf(null);
    const foreign = new ForeignContent('foreign');
    store.find.mockRejectedValueOnce(foreign);
    expect(await jobs.find(ID)).toBeNull();
    expect(log.error.mock.calls).toEqual([[{ order: ID, err: foreign }, expect.stringContaining('foreign')]]);
  });

  it('cannot be found where Redis is away', async () => {
    const { jobs, store, log } = await jobsOf(foundOf({}, { end: { kind: 'completed' } }));
    store.find.mockRejectedValueOnce(new Error('away'));
    await expect(jobs.find(ID)).rejects.toMatchObject(unreachable);
    store.keepsImages.mockRejectedValueOnce(new Error('away'));
    await expect(jobs.find(ID)).rejects.toMatchObject(unreachable);
    store.repeated.mockRejectedValueOnce(new Error('away'));
    await expect(jobs.repeated('place')).rejects.toMatchObject(unreachable);
    expect(log.error).not.toHaveBeenCalled();
  });

  it('is found by the key that started it', async () => {
    const { jobs, store } = await jobsOf(null);
    expect(await jobs.repeated('place')).toEqual({ id: ID, body: 'hash' });
    expect(store.repeated).toHaveBeenCalledWith('place');
  });
});

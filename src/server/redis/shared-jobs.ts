import { refusal } from '../http/refusal.js';
import type { CheckedBody } from '../images/image-body.js';
import { Job } from '../jobs/job.js';
import type { JobSource } from '../jobs/job-store.js';
import type { ServerLog } from '../log.js';
import type { ImageService } from '../service.js';
import { ForeignContent } from './order.js';
import type { FoundOrder, OrderStore } from './order-store.js';
import type { SharedQueue } from './shared-queue.js';

const JOB_ID = /^job_[\w-]{22}$/;

/** The jobs of all servers with the same Redis. */
export class SharedJobs implements JobSource {
  constructor(
    private readonly service: ImageService,
    private readonly queue: SharedQueue,
    private readonly store: OrderStore,
    private readonly log: ServerLog,
  ) {}

  repeated(place: string): Promise<{ readonly id: string; readonly body: string } | null> {
    return this.store.repeated(place).catch(unreachable);
  }

  async find(id: string): Promise<Job | 'gone' | null> {
    if (!JOB_ID.test(id)) return null;
    const found = await this.#read(id);
    if (found === null || !this.service.models.ids.includes(found.order.model)) return null;
    const isGone = found.end?.kind === 'completed' && !(await this.store.keepsImages(id).catch(unreachable));
    if (isGone) return 'gone';
    const job = this.#attach(id, found);
    // Its images are read before anybody is told of it.
    if (found.end !== null) await job?.over;
    return job;
  }

  async #read(id: string): Promise<FoundOrder | null> {
    try {
      return await this.store.find(id);
    } catch (error) {
      if (!(error instanceof ForeignContent)) return unreachable(error);
      this.log.error({ order: id, err: error }, 'foreign content in Redis is left out');
      return null;
    }
  }

  #attach(id: string, found: FoundOrder): Job | null {
    const { job, request, model, key, api } = found.order;
    if (job === undefined) return null;
    const { caller, createdAt, file, warnings } = job;
    const served = this.service.models.find(model);
    const checked: CheckedBody = { served, request, warnings, promptTokens: 0, file };
    const { timeout } = this.service.limits;
    return new Job(this.service, checked, {
      ...{ id, createdAt, caller },
      start: (listeners) => {
        const asked = { key, model, api, request, timeout, ...listeners, job: { id, kept: 0, facts: job } };
        const queued = this.queue.attach(id, asked, found);
        return { ...checked, queued, result: queued.result };
      },
    });
  }
}

function unreachable(cause: unknown): never {
  throw refusal('queue_unavailable', 'The jobs cannot be reached', { retryAfter: 1, cause });
}

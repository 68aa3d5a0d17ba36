import { createHash } from 'node:crypto';
import { refusal } from '../http/refusal.js';
import type { Clock } from '../queue/clock.js';
import type { Job } from './job.js';

export interface JobStoreOptions {
  /** Milliseconds that a job is kept after its end. */
  readonly ttl: number;
  /** Most bytes of images that are kept; the oldest go first. */
  readonly maxBytes: number;
  readonly clock: Clock;
}

/** Ids that are remembered as gone. */
const MAX_GONE = 10_000;

/** The jobs that can be asked after, and who may. */
export class JobStore {
  readonly #jobs = new Map<string, Job>();
  readonly #gone = new Set<string>();
  /** By caller and idempotency key. */
  readonly #repeats = new Map<string, { readonly body: string; readonly job: Job }>();

  constructor(private readonly options: JobStoreOptions) {}

  /**
   * Starts a job, or finds the one that the same caller started with the same idempotency key.
   *
   * @throws Refusal idempotency_conflict where the body is another; what `start` throws
   */
  create(caller: string, key: string | undefined, body: string, start: () => Job): { job: Job; repeated: boolean } {
    const place = key === undefined ? null : JSON.stringify([caller, key]);
    const hash = createHash('sha256').update(body).digest('hex');
    const known = place === null ? undefined : this.#repeats.get(place);
    if (known !== undefined && known.body !== hash) {
      throw refusal('idempotency_conflict', 'This Idempotency-Key came with another body before');
    }
    if (known !== undefined) return { job: known.job, repeated: true };
    const job = start();
    this.#jobs.set(job.id, job);
    if (place !== null) this.#repeats.set(place, { body: hash, job });
    void job.over.then(() => {
      this.#dropOldest();
      this.options.clock.after(this.options.ttl, () => this.#forget(job, place));
    });
    return { job, repeated: false };
  }

  /**
   * @throws Refusal not_found, also for the jobs of others; gone for one that is not kept any more
   */
  find(id: string, caller: string): Job {
    const job = this.#jobs.get(id);
    // Without keys an id, which cannot be guessed, is all that one needs.
    const isOthers = job !== undefined && job.caller !== caller && job.caller.startsWith('key-');
    if (job !== undefined && !isOthers) return job;
    if (this.#gone.has(id)) throw refusal('gone', 'The job is over, and not kept any more');
    throw refusal('not_found', 'There is no such job');
  }

  #dropOldest(): void {
    let bytes = [...this.#jobs.values()].reduce((sum, job) => sum + job.bytes, 0);
    for (const job of [...this.#jobs.values()]) {
      if (bytes <= this.options.maxBytes) return;
      if (!job.isOver) continue;
      bytes -= job.bytes;
      this.#forget(job, null);
    }
  }

  #forget(job: Job, place: string | null): void {
    if (place !== null) this.#repeats.delete(place);
    if (!this.#jobs.delete(job.id)) return;
    this.#gone.add(job.id);
    const [oldest] = this.#gone;
    if (this.#gone.size > MAX_GONE) this.#gone.delete(oldest as string);
  }
}

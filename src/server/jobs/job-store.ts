import { createHash } from 'node:crypto';
import { refusal } from '../http/refusal.js';
import type { Clock } from '../queue/clock.js';
import { RepeatedJob } from './elsewhere.js';
import type { Job } from './job.js';

/** Where jobs are that other servers started. */
export interface JobSource {
  /** The job that an idempotency key started, with the hash of the body that came with it. */
  repeated(place: string): Promise<{ readonly id: string; readonly body: string } | null>;
  find(id: string): Promise<Job | 'gone' | null>;
}

export interface JobStoreOptions {
  /** Milliseconds that a job is kept after its end. */
  readonly ttl: number;
  /** Most bytes of images that are kept; the oldest go first. */
  readonly maxBytes: number;
  readonly clock: Clock;
  /** Asked for what is not known here. */
  readonly others?: JobSource | null | undefined;
}

/** Hashes of a caller's idempotency key, and of the body that came with it. */
export interface Repeat {
  readonly place: string;
  readonly body: string;
}

/** Ids that are remembered as gone. */
const MAX_GONE = 10_000;

/** The jobs that can be asked after, and who may. */
export class JobStore {
  readonly #jobs = new Map<string, Job>();
  readonly #gone = new Set<string>();
  readonly #looking = new Map<string, Promise<Job | 'gone' | null>>();
  /** By hashes of caller and idempotency key. */
  readonly #repeats = new Map<string, { readonly body: string; readonly job: Job }>();

  constructor(private readonly options: JobStoreOptions) {}

  /**
   * Starts a job, or finds the one that the same caller started with the same idempotency key.
   *
   * @throws Refusal idempotency_conflict where the body is another; what `start` throws, or why the job was not accepted
   */
  async create(
    caller: string,
    key: string | undefined,
    body: string,
    start: (repeat: Repeat | undefined) => Job,
  ): Promise<{ job: Job; repeated: boolean }> {
    const repeat = key === undefined ? undefined : { place: hash(JSON.stringify([caller, key])), body: hash(body) };
    try {
      const before = repeat && (await this.#before(repeat, caller));
      if (before !== undefined) return { job: before, repeated: true };
      const job = start(repeat);
      this.#keep(job, repeat);
      await job.accepted;
      return { job, repeated: false };
    } catch (error) {
      if (!(error instanceof RepeatedJob) || repeat === undefined) throw error;
      refuseOther(error.body, repeat.body);
      return { job: await this.find(error.id, caller), repeated: true };
    }
  }

  /**
   * @throws Refusal not_found, also for the jobs of others; gone for one that is not kept any more
   */
  async find(id: string, caller: string): Promise<Job> {
    const job = this.#jobs.get(id) ?? (this.#gone.has(id) ? 'gone' : await this.#elsewhere(id));
    // Without keys an id, which cannot be guessed, is all that one needs.
    const isOthers = job !== null && job !== 'gone' && job.caller !== caller && job.caller.startsWith('key-');
    if (job === null || isOthers) throw refusal('not_found', 'There is no such job');
    if (job === 'gone') throw refusal('gone', 'The job is over, and not kept any more');
    return job;
  }

  async #before(repeat: Repeat, caller: string): Promise<Job | undefined> {
    const here = this.#repeats.get(repeat.place);
    if (here !== undefined) {
      refuseOther(here.body, repeat.body);
      await here.job.accepted;
      return here.job;
    }
    const there = this.options.others ? await this.options.others.repeated(repeat.place) : null;
    if (there === null) return undefined;
    refuseOther(there.body, repeat.body);
    return this.find(there.id, caller);
  }

  /** Whoever asks for one that is being looked for waits for the same: an order is followed once. */
  #elsewhere(id: string): Promise<Job | 'gone' | null> {
    const known = this.#looking.get(id);
    if (known !== undefined) return known;
    const looking = this.#attach(id).finally(() => this.#looking.delete(id));
    this.#looking.set(id, looking);
    return looking;
  }

  async #attach(id: string): Promise<Job | 'gone' | null> {
    const job = (await this.options.others?.find(id)) ?? null;
    if (job !== null && job !== 'gone') this.#keep(job, undefined);
    return job;
  }

  #keep(job: Job, repeat: Repeat | undefined): void {
    this.#jobs.set(job.id, job);
    if (repeat !== undefined) this.#repeats.set(repeat.place, { body: repeat.body, job });
    job.accepted.catch(() => this.#drop(job, repeat?.place));
    void job.over.then(() => {
      this.#dropOldest();
      this.options.clock.after(this.options.ttl, () => this.#forget(job, repeat?.place));
    });
  }

  #dropOldest(): void {
    let bytes = [...this.#jobs.values()].reduce((sum, job) => sum + job.bytes, 0);
    for (const job of [...this.#jobs.values()]) {
      if (bytes <= this.options.maxBytes) return;
      if (!job.isOver) continue;
      bytes -= job.bytes;
      this.#forget(job, undefined);
    }
  }

  #forget(job: Job, place: string | undefined): void {
    if (!this.#drop(job, place)) return;
    this.#gone.add(job.id);
    const [oldest] = this.#gone;
    if (this.#gone.size > MAX_GONE) this.#gone.delete(oldest as string);
  }

  #drop(job: Job, place: string | undefined): boolean {
    if (place !== undefined && this.#repeats.get(place)?.job === job) this.#repeats.delete(place);
    return this.#jobs.delete(job.id);
  }
}

function refuseOther(before: string, now: string): void {
  if (before === now) return;
  throw refusal('idempotency_conflict', 'This Idempotency-Key came with another body before');
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

import { Refusal } from '../http/refusal.js';

/** Not taken, since the same caller started a job with the same idempotency key before, perhaps at another server. */
export class RepeatedJob extends Refusal {
  constructor(
    readonly id: string,
    /** Hash of the body that came with it. */
    readonly body: string,
  ) {
    super(409, 'repeated', 'The job was started before');
  }
}

/** This server ends, and the job does not: whoever follows it asks another server. */
export class GoesOnElsewhere extends Refusal {
  constructor() {
    super(503, 'draining', 'The server is shutting down; the job goes on at others', { retryAfter: 1 });
  }
}

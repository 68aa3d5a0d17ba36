import { expect } from 'vitest';
import type { Job, JobResult, Session, StepEvent } from '../../../../src/backends/backend.js';
import { type ProcessModel, ProcessSession } from '../../../../src/backends/process/process-session.js';
import type { CallContext } from '../../../../src/backends/process/service.js';
import { T2IError } from '../../../../src/errors.js';
import { connectFake } from './connect-fake.js';
import { children, lastChild, nextChildrenServe } from './fake-child.js';
import { ManualClock } from './manual-clock.js';

/** What a child is to do with a job; the toy backend knows no other. */
type Deed = 'draw' | 'step' | 'refuse' | 'lose device' | 'go on';

export const job = (deed: Deed) => ({ deed, seeds: [1] }) as unknown as Job;
export const STEP: StepEvent = { image: 0, step: 1, steps: 2 };
export const RESULT = { images: [] } as unknown as JobResult;

export type ToyService = {
  load(value: unknown): Promise<void>;
  run(job: Job, context: CallContext<StepEvent>): Promise<JobResult>;
};

/** A session's process on a toy backend, with all that happened around it. */
export class ToyScene {
  /** What the children were asked to load, in order. */
  readonly loads: unknown[] = [];
  /** How often the model was checked. */
  checks = 0;
  readonly service: ToyService = {
    load: async (value) => void this.loads.push(value),
    async run(job, { emit, signal }) {
      const { deed } = job as unknown as { deed: Deed };
      if (deed === 'step' || deed === 'go on') emit?.(STEP);
      if (deed === 'refuse') throw new T2IError('OUT_OF_MEMORY', 'too large');
      if (deed === 'lose device') throw new T2IError('DEVICE_LOST', 'it fell off the bus');
      if (deed === 'go on') {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }
      return RESULT;
    },
  };
  readonly #model: ProcessModel<ToyService> = {
    kind: { entry: '/x/child.js', runtime: 'toy', installHint: 'Get a toy.', connect: connectFake },
    load: async (process) => {
      await process.call('load', 'a model');
      return 'toy 1.0';
    },
    check: async () => void this.checks++,
    run: (process, jobs) => jobs.map(({ job, report }) => process.call('run', job, report)),
  };

  /** The children of earlier scenes are forgotten. */
  constructor(readonly clock = new ManualClock()) {
    children.length = 0;
    nextChildrenServe(this.service);
  }

  open(model: Partial<ProcessModel<ToyService>> = {}, signal?: AbortSignal): Promise<ProcessSession<ToyService>> {
    return ProcessSession.open({ ...this.#model, ...model }, signal, this.clock);
  }
}

/** Lets a job run until the child is in the middle of it, then ends the child. */
export async function crash(session: Session, signal: string | null = 'SIGSEGV', code: number | null = null) {
  const failing = session.generate(job('go on'), { onStep: () => lastChild().exit(code, signal) });
  await expect(failing).rejects.toMatchObject({ code: 'BACKEND_CRASHED' });
}

import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StepEvent } from '../../../../src/backends/backend.js';
import type { NativeJob, NativeResult, NativeSession, NativeStep } from '../../../../src/backends/tensorrt/native.js';
import { type SessionFacts, TensorrtSession } from '../../../../src/backends/tensorrt/session.js';
import { T2IError } from '../../../../src/errors.js';
import type { ModelDescription } from '../../../../src/model/description.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture, tinyJob } from '../../../contract/tiny-jobs.js';

const HASH = 'a'.repeat(64);
const FACTS: SessionFacts = {
  runtime: 'tensorrt 10.15.1',
  engines: { textEncoder: HASH, unet: HASH, vaeDecoder: HASH },
  warnings: [],
  strict: false,
};
const RESULT: NativeResult = {
  images: [{ rgb: new Uint8Array(3), width: 1, height: 1 }],
  timings: { textEncoder: 1, unet: 2, vaeDecoder: 3, total: 7 },
  warnings: [],
};

/** A native session whose calls wait to be answered by the test. */
class ScriptedNative implements NativeSession {
  readonly calls: {
    job: NativeJob;
    signal: AbortSignal;
    onSteps: ((steps: readonly NativeStep[]) => void) | null;
    resolve: (result: NativeResult) => void;
    reject: (error: unknown) => void;
  }[] = [];
  closes = 0;

  generate(job: NativeJob, signal: AbortSignal, onSteps: ((steps: readonly NativeStep[]) => void) | null) {
    return new Promise<NativeResult>((resolve, reject) => this.calls.push({ job, signal, onSteps, resolve, reject }));
  }

  async close() {
    this.closes++;
  }
}

const nativeError = (code: string, message = 'it broke', hint?: string) =>
  Object.assign(new Error(message), { code, ...(hint && { hint }) });

describe('a tensorrt session', () => {
  let model: ModelDescription;
  let native: ScriptedNative;
  let session: TensorrtSession;
  const last = () => native.calls.at(-1) as ScriptedNative['calls'][number];

  beforeAll(async () => {
    model = await describeModel(fixture('tiny'));
  });
  beforeEach(() => {
    native = new ScriptedNative();
    session = new TensorrtSession(native, FACTS);
  });

  it('passes the job on, without what has no effect', () => {
    const job = tinyJob(model, { previewEvery: 2 });
    void session.generate(job, { onStep: () => {} });
    expect(last().job).toEqual(job);
    void session.generate(job);
    expect(last().job).toEqual({ ...job, previewEvery: 0 });
    expect(last().onSteps).toBeNull();
    void session.generate({ ...job, guidanceScale: 1 });
    expect(last().job.negativeIds).toBeNull();
  });

  it('tells every step of a bundle, and none after the end', async () => {
    const steps: StepEvent[] = [];
    const job = session.generate(tinyJob(model), { onStep: (step) => steps.push(step) });
    const step = (number: number) => ({ image: 0, step: number, steps: 3 });
    last().onSteps?.([step(1), step(2)]);
    last().resolve(RESULT);
    await job;
    last().onSteps?.([step(3)]);
    expect(steps).toEqual([step(1), step(2)]);
  });

  it('rejects at once when aborted, and tells the thread', async () => {
    const controller = new AbortController();
    let steps = 0;
    const job = session.generate(tinyJob(model), { signal: controller.signal, onStep: () => steps++ });
    expect(last().signal.aborted).toBe(false);
    controller.abort('enough');
    await expect(job).rejects.toBe('enough');
    expect(last().signal.aborted).toBe(true);
    last().onSteps?.([{ image: 0, step: 1, steps: 1 }]);
    last().reject(nativeError('ABORTED'));
    expect(steps).toBe(0);
  });

  it('lets what the callback throws end the job, in the middle of a bundle', async () => {
    const mistake = new Error('mistake of the caller');
    let steps = 0;
    const job = session.generate(tinyJob(model), {
      onStep: () => {
        steps++;
        throw mistake;
      },
    });
    last().onSteps?.([1, 2].map((step) => ({ image: 0, step, steps: 2 })));
    await expect(job).rejects.toBe(mistake);
    expect(steps).toBe(1);
    expect(last().signal.aborted).toBe(true);
  });

  it('keeps no listener on a signal that lives on', async () => {
    const controller = new AbortController();
    const job = session.generate(tinyJob(model), { signal: controller.signal });
    last().resolve(RESULT);
    await job;
    controller.abort();
    expect(last().signal.aborted).toBe(false);
  });

  it('gives native errors their code and hint, and calls those without a known code a bug', async () => {
    const first = session.generate(tinyJob(model));
    last().reject(nativeError('OUT_OF_MEMORY', 'no room', 'Ask for less.'));
    const error = await first.catch((caught) => caught);
    expect(T2IError.is(error)).toBe(true);
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', message: 'no room', hint: 'Ask for less.' });
    for (const strange of [nativeError('EWEIRD'), new TypeError('x'), 'text']) {
      const job = session.generate(tinyJob(model));
      last().reject(strange);
      await expect(job).rejects.toMatchObject({ code: 'INTERNAL', name: 'T2IInternalError' });
    }
  });

  it('fails fast once the device is lost, and says that a new process is needed', async () => {
    const job = session.generate(tinyJob(model));
    last().reject(nativeError('DEVICE_LOST', 'illegal address'));
    const lost = { code: 'DEVICE_LOST', message: 'illegal address', hint: expect.stringMatching(/new process/) };
    await expect(job).rejects.toMatchObject(lost);
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject(lost);
    expect(native.calls).toHaveLength(1);
  });

  it('warns with every result of what the session fell back to, and refuses it in a job under strict', async () => {
    const warned = new TensorrtSession(native, { ...FACTS, warnings: ['The decoder runs in fp32.'] });
    const job = warned.generate(tinyJob(model));
    last().resolve({ ...RESULT, warnings: ['No graph.'] });
    expect((await job).warnings).toEqual(['The decoder runs in fp32.', 'No graph.']);
    const strict = new TensorrtSession(native, { ...FACTS, strict: true });
    const refused = strict.generate(tinyJob(model));
    last().resolve({ ...RESULT, warnings: ['No graph.'] });
    await expect(refused).rejects.toMatchObject({ code: 'BACKEND_FAILED', message: expect.stringMatching(/No graph/) });
  });

  it('closes the native session once and takes no job afterwards', async () => {
    await Promise.all([session.close(), session.close()]);
    expect(native.closes).toBe(1);
    await expect(session.generate(tinyJob(model))).rejects.toMatchObject({ code: 'CLOSED' });
    expect(native.calls).toHaveLength(0);
  });
});

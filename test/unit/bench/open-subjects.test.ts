import { afterEach, describe, expect, it, vi } from 'vitest';
import { BACKENDS } from '../../../src/backends/select.js';
import { closeSubjects, openSubjects, type SubjectOptions } from '../../../src/bench/open-subjects.js';
import { T2IError } from '../../../src/errors.js';
import type { LoadOptions, Request } from '../../../src/options.js';
import { MEMORY_MODEL, memoryPipeline } from '../../support/memory-session.js';

const request = { prompt: 'a red apple', steps: 3 };
const absent = { available: false as const, reason: 'no GPU', hint: 't2i doctor' };
const present = { available: true as const, detail: 'a runtime on the CPU' };

/** Opens with backends that say what is told of them, in the order of {@link BACKENDS}: TensorRT, ONNX Runtime. */
async function open(
  probes: readonly (typeof absent | typeof present)[],
  options: Partial<SubjectOptions> = {},
  failing: Record<string, Error> = {},
) {
  for (const [place, probe] of probes.entries()) {
    vi.spyOn(BACKENDS[place] as (typeof BACKENDS)[0], 'probe').mockResolvedValue(probe);
  }
  const asked: LoadOptions[] = [];
  const sessions: ReturnType<typeof memoryPipeline>['session'][] = [];
  const opened = openSubjects({
    backends: null,
    model: MEMORY_MODEL,
    load: { threads: 2 },
    open: async (load) => {
      asked.push(load);
      const error = failing[load.backend as string];
      if (error) throw error;
      const { pipeline, session } = memoryPipeline();
      sessions.push(session);
      return pipeline;
    },
    options: request,
    request: request as unknown as Request,
    concurrency: [1, 2],
    diffusers: null,
    serve: null,
    signal: new AbortController().signal,
    ...options,
  });
  const closes = () => sessions.map((session) => session.closes);
  return { opened, asked, closes };
}
afterEach(() => void vi.restoreAllMocks());

describe('what is measured', () => {
  it('is every backend that can run, with why another cannot', async () => {
    const { opened, asked } = await open([absent, present]);
    const { subjects, skipped } = await opened;
    expect(asked).toEqual([{ threads: 2, backend: 'onnxruntime' }]);
    expect(subjects).toMatchObject([{ runsOn: 'a runtime on the CPU', warmups: 1, concurrency: [1, 2] }]);
    expect(skipped).toEqual([{ name: 'tensorrt', reason: 'no GPU', hint: 't2i doctor' }]);
  });

  it('leaves out a backend that fails by no fault of the model, where nobody named it', async () => {
    const failed = new T2IError('OUT_OF_MEMORY', 'no memory', { hint: 'a smaller size' });
    const { opened } = await open([present, present], {}, { tensorrt: failed });
    const { subjects, skipped } = await opened;
    expect(subjects).toHaveLength(1);
    expect(skipped).toEqual([{ name: 'tensorrt', reason: 'no memory', hint: 'a smaller size' }]);
  });

  it('is refused where a backend that was named fails, or the model is at fault', async () => {
    const failed = new T2IError('OUT_OF_MEMORY', 'no memory');
    const named = await open([absent, present], { backends: ['tensorrt'] }, { tensorrt: failed });
    await expect(named.opened).rejects.toBe(failed);
    expect(named.asked).toEqual([{ threads: 2, backend: 'tensorrt' }]);
    const invalid = new T2IError('MODEL_INVALID', 'damaged');
    const { opened, closes } = await open([present, present], {}, { onnxruntime: invalid });
    await expect(opened).rejects.toBe(invalid);
    expect(closes()).toEqual([1]);
  });

  it('is nothing where no backend runs, which says all reasons', async () => {
    const { opened } = await open([absent, { ...absent, reason: 'no files', hint: 'npm ci' }]);
    await expect(opened).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: 'No backend can run here. Tried tensorrt: no GPU; onnxruntime: no files',
      hint: 't2i doctor npm ci',
    });
  });

  it('runs on what the pipeline says where the probe knew nothing', async () => {
    const { opened } = await open([absent, absent], { backends: ['onnxruntime'] });
    const { subjects } = await opened;
    expect(subjects.map(({ runsOn }) => runsOn)).toEqual(['formula 1.0']);
  });

  it('is closed again where diffusers does not start', async () => {
    const { opened, closes } = await open([absent, present], { diffusers: { python: '/no/python', threads: 1 } });
    await expect(opened).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      hint: expect.stringMatching(/--python/),
    });
    expect(closes()).toEqual([1]);
  });
});

describe('a backend that is measured', () => {
  it('draws as many requests at once as it is told, and takes the times of each', async () => {
    const { opened, closes } = await open([absent, present], {
      options: { ...request, guidanceScale: 1, negativePrompt: 'blurry' },
    });
    const { subjects } = await opened;
    const [subject] = subjects;
    const draw = await subject?.draw(3, new AbortController().signal);
    expect(draw?.images).toHaveLength(3);
    for (const { ms, ...networks } of draw?.images ?? []) {
      // The session says 1, 2 and 3 ms for its networks.
      expect(networks).toEqual({ unetMs: 2, networksMs: 6 });
      expect(ms).toBeGreaterThan(0);
      expect(ms).toBeLessThanOrEqual(draw?.wallMs as number);
    }
    expect(draw?.pixels).toMatchObject({ width: 32, height: 32, rgb: expect.any(Uint8Array) });
    expect(draw?.eventLoopDelayMs).toBeGreaterThanOrEqual(0);
    expect([...(subject?.warnings ?? [])]).toEqual([expect.stringMatching(/negative/i)]);
    await expect(subject?.draw(1, AbortSignal.abort('enough'))).rejects.toBe('enough');
    await closeSubjects(subjects);
    expect(closes()).toEqual([1]);
  });
});

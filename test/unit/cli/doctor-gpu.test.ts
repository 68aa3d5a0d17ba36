import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as engines from '../../../src/backends/engines.js';
import type { NativeStepArrays } from '../../../src/backends/tensorrt/native.js';
import { checkEngine } from '../../../src/cli/doctor/self-check/engine-check.js';
import { checkGraph, checkImage } from '../../../src/cli/doctor/self-check/image-check.js';
import '../../../src/cli/doctor/self-check/self-check.js';
import { main } from '../../../src/cli/main.js';
import * as reader from '../../../src/cli/read-model.js';
import { step } from '../../../src/diffusion/step.js';
import { T2IError } from '../../../src/errors.js';
import { describeModel } from '../../../src/model/layout.js';
import * as tokenizers from '../../../src/model/tokenizer.js';
import { Pipeline } from '../../../src/pipeline.js';
import { headerOf } from '../../support/engines.js';
import { fakeIo, shownLines } from '../../support/fake-io.js';
import { MEMORY_MODEL, MemorySession, memoryPipeline, memoryTokenizer } from '../../support/memory-session.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));
const { signal } = new AbortController();
const device = { index: 3, name: 'NVIDIA T4', computeCapability: '7.5', memoryBytes: 2 ** 34 };

type Tried = Awaited<ReturnType<typeof engines.tryEngine>>;
const engine = (more: object = {}) => ({ header: headerOf({ component: 'vae_decoder', ...more }) }) as unknown as Tried;

beforeEach(() => {
  vi.spyOn(engines, 'tryEngine').mockResolvedValue(engine());
});
afterEach(() => vi.restoreAllMocks());

describe('the check of an engine', () => {
  it('builds the smallest network alone, into a folder that is gone afterwards', async () => {
    const model = await describeModel(TINY);
    let dir = '';
    vi.mocked(engines.tryEngine).mockImplementation(async (_, __, options) => {
      dir = options.dir;
      expect(existsSync(dir)).toBe(true);
      return engine();
    });
    const { ok, detail, numbers } = await checkEngine(model, signal, () => {});
    expect(vi.mocked(engines.tryEngine).mock.lastCall?.[1]).toBe('vaeDecoder');
    expect(dir).toContain('t2i-self-check-');
    expect(existsSync(dir)).toBe(false);
    expect([ok, numbers]).toEqual([true, { seconds: expect.any(Number), similarity: 0.9999, largestError: 0.003 }]);
    expect(numbers.seconds).toBeGreaterThan(0);
    expect(numbers.seconds).toBeLessThan(60);
    expect(detail).toMatch(
      /^vae_decoder built by tensorrt 10\.15\.1 and run in fp16 in .* s: similarity 0\.999900 and .* 0\.00300 against /,
    );
  });

  it('fails where the engine was not compared', async () => {
    vi.mocked(engines.tryEngine).mockResolvedValue(engine({ accuracy: null }));
    const { ok, detail } = await checkEngine(await describeModel(TINY), signal, () => {});
    expect([ok, detail]).toEqual([false, expect.stringContaining('not checked')]);
  });
});

describe('the check of captured steps', () => {
  it('wants the same pixels twice, and no warning', async () => {
    const { pipeline } = memoryPipeline();
    expect(await checkGraph(pipeline, signal)).toEqual({
      ...{ ok: true, numbers: { steps: 10, unetMs: 2, totalMs: 6 } },
      detail: '10 steps in 2.0 ms, 6.0 ms in all; twice the same pixels',
    });
    const generate = pipeline.generate.bind(pipeline);
    const warned = vi.spyOn(pipeline, 'generate').mockImplementationOnce(async (options) => {
      const result = await generate(options);
      return { ...result, warnings: [{ code: 'PROMPT_CUT' as const, message: 'it is slow' }] };
    });
    expect(await checkGraph(pipeline, signal)).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/; it is slow$/),
    });
    warned.mockImplementationOnce((options) => generate({ ...options, seed: 8 }));
    expect(await checkGraph(pipeline, signal)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('other pixels'),
    });
  });
});

describe('the check of an image', () => {
  it('compares it with that of the CPU', async () => {
    const [cpu, gpu] = [memoryPipeline().pipeline, memoryPipeline().pipeline];
    expect(await checkImage(gpu, cpu, signal)).toMatchObject({
      ...{ ok: true, detail: expect.stringMatching(/^exact, beside the CPU's image: /) },
      numbers: { maxAbs: 0, meanAbs: 0 },
    });
  });

  it('fails where the GPU draws another one, or another model', async () => {
    const cpu = memoryPipeline().pipeline;
    const model = memoryPipeline({ hashes: { 'unet/model.onnx': 'f'.repeat(64) } }).pipeline;
    const result = await checkImage(model, cpu, signal);
    expect(result).toMatchObject({ ok: false, numbers: {}, detail: expect.stringMatching(/^different; /) });
    const gpu = memoryPipeline({ vaeFactor: 4 }).pipeline;
    const generate = gpu.generate.bind(gpu);
    vi.spyOn(gpu, 'generate').mockImplementation((options) => generate({ ...options, guidanceScale: 1 }));
    expect(await checkImage(gpu, cpu, signal)).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^different/),
    });
  });
});

describe('t2i doctor --gpu', () => {
  const twin = ({ row, x, x0, conditional, noise, clip }: NativeStepArrays) =>
    step({ x, x0 }, row, 0, conditional.slice(), noise, 0, clip);
  const stepDevice = vi.fn(twin);
  let loaded: object[];
  let closes: MemorySession[];
  beforeEach(async () => {
    const tiny = await describeModel(TINY);
    const sessionOf = (session: MemorySession) => {
      closes.push(session);
      return session;
    };
    [loaded, closes] = [[], []];
    stepDevice.mockImplementation(twin);
    vi.spyOn(reader, 'readModel').mockResolvedValue({ ...MEMORY_MODEL, dir: TINY, hashes: tiny.hashes });
    vi.spyOn(engines, 'inspect').mockResolvedValue({
      addon: { path: '/t2i.node', version: '1' },
      devices: {
        kind: 'cuda',
        available: true,
        reason: '',
        hint: '',
        driver: '13.1',
        runtime: '13.0',
        devices: [device],
      },
      libraries: [],
    });
    vi.spyOn(engines, 'loadAddon').mockReturnValue({ addon: { stepHost: twin, stepDevice }, path: '' } as never);
    vi.spyOn(engines, 'openEager').mockImplementation(async () => sessionOf(new MemorySession()));
    vi.spyOn(tokenizers, 'loadTokenizer').mockResolvedValue(memoryTokenizer());
    vi.spyOn(Pipeline, 'loadWith').mockImplementation(async (_, { model, backend, strict }) => {
      loaded.push({ model, backend, strict });
      const { pipeline, session } = memoryPipeline();
      sessionOf(session);
      return pipeline;
    });
  });

  async function doctor(argv: readonly string[] = [], terminal = false) {
    const waits: number[] = [];
    const io = fakeIo({ sleep: async (milliseconds) => void waits.push(milliseconds), terminal });
    const code = await main(['doctor', '--gpu', ...argv], io);
    return { code, out: io.out(), err: io.err(), waits, json: () => JSON.parse(io.out()).selfCheck };
  }

  it('checks the step, an engine, a graph, the speed and an image of the GPU that is there', async () => {
    const { code, json, waits } = await doctor(['--json']);
    const checks = ['step kernel', 'engine', 'graph', 'step speed', 'image'];
    expect(json()).toMatchObject({
      measured: true,
      device: 'NVIDIA T4',
      checks: checks.map((name) => ({ name, ok: true })),
    });
    expect([code, waits]).toEqual([0, [60_000]]);
    expect(stepDevice.mock.lastCall?.[1 as never]).toBe(3);
    const gpu = { model: expect.stringContaining('emoji-128'), backend: 'tensorrt', strict: true };
    expect(loaded).toEqual([gpu, gpu, gpu, { ...gpu, backend: 'onnxruntime', strict: undefined }]);
    expect(closes.map(({ closes: count }) => count)).toEqual([1, 1, 1, 1, 1]);
  });

  it('fails where one of them does, and shows all', async () => {
    stepDevice.mockImplementation(({ x }) => void x.fill(0));
    vi.mocked(engines.tryEngine).mockRejectedValue(new T2IError('ENGINE_INACCURATE', 'too far', { hint: 'update it' }));
    const { code, out } = await doctor();
    expect(code).toBe(1);
    expect(out).toMatch(/^checked on +NVIDIA T4$/m);
    expect(out).toMatch(/^check step kernel +failed /m);
    expect(out).toMatch(/^check engine +failed +ENGINE_INACCURATE: too far\n +help: update it$/m);
    expect(out).toMatch(/^check image +ok /m);
  });

  it('shows what it does on a terminal, and leaves nothing of it there', async () => {
    vi.mocked(engines.tryEngine).mockImplementation(async (_, __, { onProgress }) => {
      onProgress?.({ phase: 'build', network: 'unet', fraction: 0.5, detail: '' });
      return engine();
    });
    const lines = shownLines((await doctor([], true)).err);
    expect(lines).toContainEqual(expect.stringMatching(/^building unet, 50 %/));
    expect(lines).toContain('waiting 60 s before steps are timed again');
    expect(lines.at(-1)).toBe('');
  });
});

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LoadProgress, Session, StepEvent } from '../../../../src/backends/backend.js';
import { openEager } from '../../../../src/backends/engines.js';
import { listEngines } from '../../../../src/backends/tensorrt/engines/engine-cache.js';
import type { Machine } from '../../../../src/backends/tensorrt/machine.js';
import type { NativeLibrary, NativeSessionOptions } from '../../../../src/backends/tensorrt/native.js';
import { nativeModel, openNative } from '../../../../src/backends/tensorrt/open-native.js';
import { openSession, type SessionOptions } from '../../../../src/backends/tensorrt/open-session.js';
import { createTensorrt } from '../../../../src/backends/tensorrt/tensorrt.js';
import { describeModel } from '../../../../src/model/layout.js';
import { fixture, tinyJob } from '../../../contract/tiny-jobs.js';
import { childrenHere, started } from '../../../support/children-here.js';
import { engineFolder, failure } from '../../../support/engines.js';
import { FakeTensorrt, GPU } from '../../../support/fake-tensorrt.js';
import { withHalfDecoder } from '../../../support/sim-machine.js';
import { toyReference } from '../../../support/toy-networks.js';
import { nativeError, RESULT, ScriptedNative } from './scripted-native.js';

childrenHere();

describe('opening a model', () => {
  let fake: FakeTensorrt;
  let natives: ScriptedNative[];
  let cache: string;
  let sessions: Session[];

  const use = (tensorrt: FakeTensorrt) => {
    fake = tensorrt;
    vi.stubEnv('T2I_ADDON', fake.path);
    fake.session = () => {
      const native = new ScriptedNative();
      native.largestBatch = 8;
      natives.push(native);
      return native;
    };
  };
  beforeEach(async () => {
    [natives, sessions, cache] = [[], [], engineFolder()];
    vi.stubEnv('T2I_ENGINE_CACHE', cache);
    use(new FakeTensorrt(await describeModel(fixture('tiny'))));
  });
  afterEach(async () => {
    for (const session of sessions) await session.close();
    vi.unstubAllEnvs();
  });

  const machine = (): Machine => ({ addon: fake.loaded, device: GPU, library: fake.libraries[0] as never });
  const open = async (options: SessionOptions = {}, on = machine()) => {
    const session = await openSession(toyReference, fake.model, on, options);
    sessions.push(session);
    return session;
  };
  const engineFiles = async () => (await listEngines(cache)).map(({ path }) => path);
  const damage = async (component: string) => {
    const path = (await engineFiles()).find((each) => each.includes(component)) as string;
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
  };

  it('gives the device its engines, their hashes and the model’s facts', async () => {
    const session = await open();
    expect(session.runtime).toBe('tensorrt 10.15.1');
    const [options] = fake.opened;
    expect(options).toMatchObject({
      device: 0,
      library: fake.libraries[0]?.path,
      model: nativeModel(fake.model),
      useGraph: true,
      runtimeCaches: { textEncoder: null, unet: null, vaeDecoder: null },
      engineHashes: session.engines,
    });
    expect(Buffer.from(options?.engines.vaeDecoder ?? []).toString()).toContain('vae_decoder/model.onnx');
    expect(Buffer.from(options?.engines.textEncoder ?? []).toString()).toContain('text_encoder/model.onnx');
    expect(session.precisions).toEqual({ textEncoder: 'fp32', unet: 'fp32', vaeDecoder: 'fp32' });
    expect(await engineFiles()).toHaveLength(3);
  });

  it('builds once: the next one takes what is there, and tells of nothing', async () => {
    const told: string[] = [];
    const onProgress = (event: LoadProgress) => void told.push('network' in event ? event.network : '');
    await open({ onProgress });
    expect(new Set(told)).toEqual(new Set(['textEncoder', 'vaeDecoder', 'unet']));
    told.length = 0;
    await (await createTensorrt(toyReference).open(fake.model)).close();
    expect([fake.built.length, fake.opened.length, told]).toEqual([3, 2, []]);
  });

  it('queues each step by itself where it is told to', async () => {
    await open({ useGraph: false });
    sessions.push(await openEager(fake.model, {}));
    expect(fake.opened.map(({ useGraph }) => useGraph)).toEqual([false, false]);
  });

  it('knows every input of a model that takes its guidance as one', async () => {
    const { unet, guidanceWidth, textEncoder } = nativeModel(await describeModel(fixture('tiny-lcm')));
    expect([unet.timestepCond, guidanceWidth]).toEqual(['timestep_cond', expect.any(Number)]);
    expect(nativeModel(fake.model).vaeDecoder).toEqual({ latents: 'latents', image: 'image' });
    expect([nativeModel(fake.model).unet.timestepCond, nativeModel(fake.model).guidanceWidth]).toEqual([null, null]);
    expect(textEncoder.attentionMask).toBeNull();
    const attentionMask = { ...fake.model.textEncoder.ids, name: 'mask' };
    const masked = nativeModel({ ...fake.model, textEncoder: { ...fake.model.textEncoder, attentionMask } });
    expect(masked.textEncoder.attentionMask).toBe('mask');
  });

  it.each([undefined, 'process'] as const)('builds a damaged engine again (isolation %s)', async (isolation) => {
    await open();
    await damage('vae_decoder');
    await open({ isolation });
    expect(fake.built.slice(3)).toEqual(['vae_decoder/model.onnx']);
    expect((await listEngines(cache)).every((entry) => 'header' in entry)).toBe(true);
  });

  it('fails where the device refuses engines that are whole, and tries nothing twice', async () => {
    fake.session = () => {
      throw nativeError('ENGINE_INVALID', 'of another kind');
    };
    expect(await failure(open())).toMatchObject({ code: 'ENGINE_INVALID', message: 'of another kind' });
    expect([fake.opened.length, fake.built.length]).toEqual([1, 3]);
  });

  it('is refused where another engine was put in the place of one that was checked', async () => {
    await open();
    const [textEncoder, unet, vaeDecoder] = await engineFiles();
    const opened = fake.opened[0] as NativeSessionOptions;
    const [engines, files] = [opened.engineHashes, { textEncoder, unet: vaeDecoder, vaeDecoder: unet }];
    const facts = { runtime: '', engines, precisions: engines, warnings: [], strict: false };
    const request = { ...opened, files: files as typeof engines, facts };
    const error = await failure(openNative(fake.loaded.addon, request));
    expect(error).toMatchObject({ code: 'ENGINE_INVALID', hint: expect.stringContaining('again') });
    expect(error.message).toContain(vaeDecoder);
  });

  it('fails with whatever else goes wrong', async () => {
    await open();
    fake.session = () => {
      throw nativeError('OUT_OF_MEMORY');
    };
    expect((await failure(open())).code).toBe('OUT_OF_MEMORY');
    expect(fake.built).toHaveLength(3);
  });

  it('is not done where the signal says so, even after the last engine', async () => {
    const controller = new AbortController();
    const onProgress = (event: LoadProgress) => {
      if (event.phase === 'check' && event.network === 'unet' && event.fraction === 1) controller.abort('enough');
    };
    await expect(open({ signal: controller.signal, onProgress })).rejects.toBe('enough');
    expect(fake.opened).toEqual([]);
    await expect(open({ signal: controller.signal })).rejects.toBe('enough');
  });

  describe('whose decoder runs in a higher precision', () => {
    beforeEach(async () => {
      use(new FakeTensorrt(await withHalfDecoder()));
      fake.spoil = (onnx, values) => void (onnx.includes('fp16') && values.fill(Number.NaN));
    });

    it('warns of it in every result', async () => {
      const session = await open();
      const result = session.generate(tinyJob(fake.model));
      const native = natives[0] as ScriptedNative;
      (await native.next(0)).resolve(RESULT);
      expect((await result).warnings).toEqual([expect.stringContaining('vae_decoder: runs in fp32')]);
      expect(session.precisions?.vaeDecoder).toBe('fp32');
    });

    it('is no failure under strict where nothing runs otherwise than it was meant to', async () => {
      fake.spoil = () => {};
      expect((await open({ strict: true })).precisions?.vaeDecoder).toBe('fp16');
    });

    it('is refused under strict', async () => {
      const error = await failure(open({ strict: true }));
      expect(error.code).toBe('BACKEND_FAILED');
      expect(error.message).toMatch(/strict.*vae_decoder: runs in fp32/);
      expect(error.hint).toContain('strict');
      expect(fake.opened).toEqual([]);
    });
  });

  describe('where the best TensorRT cannot build', () => {
    beforeEach(() => {
      const older = fake.library({ version: '10.6.0' });
      fake.libraries = [fake.library({ canBuild: false }), older];
    });

    it('takes another that can, and the best once its engines are there', async () => {
      expect((await open()).runtime).toBe('tensorrt 10.6.0');
      const [best] = fake.libraries;
      await open({}, { ...machine(), library: { ...(best as NativeLibrary), canBuild: true } });
      expect((await open()).runtime).toBe('tensorrt 10.15.1');
      expect(started.filter(({ started: { entry } }) => entry.endsWith('/child.js'))).toHaveLength(1);
    });

    it('takes another where one of its engines is missing', async () => {
      const [best] = fake.libraries;
      await open({}, { ...machine(), library: { ...(best as NativeLibrary), canBuild: true } });
      rmSync((await engineFiles()).find((path) => path.includes('vae_decoder')) as string);
      expect((await open()).runtime).toBe('tensorrt 10.6.0');
    });

    it('looks for the other in the same folder', async () => {
      await open({ tensorrtLibDir: '/there' });
      expect(fake.searches).toEqual([{ only: '/there' }]);
    });

    it('stays with it where there is no other', async () => {
      fake.libraries = fake.libraries.slice(0, 1);
      fake.building = () => Promise.reject(nativeError('BACKEND_UNAVAILABLE', 'the parser is missing'));
      expect((await failure(open())).message).toBe('the parser is missing');
    });
  });

  describe('in a process of its own', () => {
    it('draws there: jobs that are alike together, each with its events', async () => {
      const session = await open({ isolation: 'process' });
      const entries = started.map(({ started: { entry } }) => entry.split('/').at(-1));
      expect(entries.filter((entry) => entry === 'child.js')).toHaveLength(1);
      const steps: StepEvent[] = [];
      const watched = session.generate(tinyJob(fake.model, { seeds: [1] }), { onStep: (step) => steps.push(step) });
      const other = session.generate(tinyJob(fake.model, { seeds: [2] }));
      const native = natives[0] as ScriptedNative;
      const call = await native.next(0);
      expect(call.job.images).toHaveLength(2);
      call.onEvents?.([0, 1].map((image) => ({ image, step: 1, steps: 2 })));
      call.resolve({
        ...RESULT,
        images: [...RESULT.images, { ...RESULT.images[0], rgb: Uint8Array.of(1, 2, 3) } as never],
      });
      expect((await other).images[0]?.rgb).toEqual(Uint8Array.of(1, 2, 3));
      expect((await watched).images[0]?.rgb).toEqual(new Uint8Array(3));
      expect(steps).toEqual([{ image: 0, step: 1, steps: 2 }]);
      expect(native.calls).toHaveLength(1);
    });

    it('gives what went wrong to the job that it went wrong in', async () => {
      const session = await open({ isolation: 'process' });
      const result = session.generate(tinyJob(fake.model));
      const native = natives[0] as ScriptedNative;
      const call = await native.next(0);
      expect(call.onEvents).toBeNull();
      call.reject(nativeError('OUT_OF_MEMORY', 'too large', 'use less'));
      await expect(result).rejects.toMatchObject({ code: 'OUT_OF_MEMORY', message: 'too large', hint: 'use less' });
    });

    it('ends a job that is aborted', async () => {
      const session = await open({ isolation: 'process' });
      const controller = new AbortController();
      const result = session.generate(tinyJob(fake.model), { signal: controller.signal });
      const native = natives[0] as ScriptedNative;
      const call = await native.next(0);
      const ended = new Promise<void>((resolve) => {
        call.signal.addEventListener('abort', () => {
          call.reject(nativeError('ABORTED'));
          resolve();
        });
      });
      controller.abort('enough');
      await expect(result).rejects.toBe('enough');
      await ended;
    });

    it('says what it runs, and is told what it cannot open', async () => {
      const session = await open({ isolation: 'process' });
      expect([session.runtime, session.precisions?.unet]).toEqual(['tensorrt 10.15.1', 'fp32']);
      expect(session.engines).toEqual(fake.opened[0]?.engineHashes);
      fake.session = () => {
        throw nativeError('DEVICE_LOST');
      };
      expect((await failure(open({ isolation: 'process' }))).code).toBe('DEVICE_LOST');
    });
  });
});

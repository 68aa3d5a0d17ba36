import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeBuildProgress, NativeSession, NativeTensor } from '../../src/backends/tensorrt/native.js';
import { noBuild } from '../support/native.js';
import { skipFor } from '../support/skip-for.js';
import { addon, BUILD, buildOptions, LIBRARY, openTiny, sessionOptions, tinyJob } from './tiny-native.mjs';

describe('the addon', skipFor(noBuild('sim')), () => {
  it('says what it was built for and which device there is', () => {
    expect(addon.version).toBe(process.env.npm_package_version ?? addon.version);
    expect(addon.devices()).toMatchObject({
      kind: 'sim',
      available: true,
      devices: [{ index: 0, computeCapability: '8.9' }],
    });
  });

  it('lists the libraries of a folder', () => {
    expect(addon.libraries({ only: `${BUILD}/fake-10` })).toEqual([
      expect.objectContaining({
        kind: 'full',
        path: LIBRARY,
        version: '10.15.1',
        canBuild: true,
        problem: null,
        hint: null,
      }),
    ]);
    expect(addon.libraries({ only: '/nowhere' })).toMatchObject([
      { canBuild: false, problem: 'there is no folder /nowhere' },
    ]);
  });

  describe('builds engines', () => {
    it('with progress in order, and a log', async () => {
      const progress: NativeBuildProgress[] = [];
      const { serialized, log } = await addon.buildEngine(buildOptions('unet'), null, (news) => progress.push(news));
      expect(serialized.length).toBeGreaterThan(0);
      expect(Array.isArray(log)).toBe(true);
      expect(progress.length).toBeGreaterThan(0);
      for (const { step, steps } of progress) expect(step).toBeLessThanOrEqual(steps);
    });

    it('until they are aborted', async () => {
      process.env.T2I_FAKE_TENSORRT = 'slow-build';
      try {
        const controller = new AbortController();
        const result = addon.buildEngine(buildOptions('unet'), controller.signal, () => controller.abort());
        await expect(result).rejects.toMatchObject({ code: 'ABORTED' });
      } finally {
        delete process.env.T2I_FAKE_TENSORRT;
      }
      await expect(addon.buildEngine(buildOptions('unet'), AbortSignal.abort(), null)).rejects.toMatchObject({
        code: 'ABORTED',
      });
    });

    it('from what is a graph only, and says why not', async () => {
      const result = addon.buildEngine({ ...buildOptions('unet'), onnx: LIBRARY }, null, null);
      await expect(result).rejects.toMatchObject({ code: 'ENGINE_BUILD_FAILED' });
    });
  });

  describe('runs an engine once', () => {
    const floats = (dims: number[], value: number): NativeTensor => ({
      type: 'float32',
      dims,
      data: new Uint8Array(new Float32Array(dims.reduce((a, b) => a * b)).fill(value).buffer),
    });
    const unetInputs = {
      sample: floats([2, 4, 3, 5], 0.5),
      timestep: floats([1], 500),
      encoder_hidden_states: floats([2, 16, 16], 0.25),
    };

    it('on shapes of the caller’s', async () => {
      const { engines } = await sessionOptions();
      const outputs = await addon.runEngine({ device: 0, library: LIBRARY, serialized: engines.unet }, unetInputs);
      const { out_sample: out } = outputs as Record<string, NativeTensor>;
      expect(out).toMatchObject({ type: 'float32', dims: [2, 4, 3, 5] });
      const values = new Float32Array(Uint8Array.from(out?.data ?? []).buffer);
      // 0.5 * 0.5 + 0.25 * (500 / 1000), and the salt of the graph, 0 to 15, over 1024
      const salt = ((values[0] ?? 0) - 0.375) * 1024;
      expect(Number.isInteger(salt) && salt >= 0 && salt < 16).toBe(true);
      expect(new Set(values).size).toBe(1);
      expect(addon.sim.live()).toBe(0);
    });

    it('and refuses inputs that do not fit, naming them', async () => {
      const { engines } = await sessionOptions();
      const run = (inputs: Record<string, NativeTensor>) =>
        addon.runEngine({ device: 0, library: LIBRARY, serialized: engines.unet }, inputs);
      const { sample, ...rest } = unetInputs;
      await expect(run(rest)).rejects.toThrow('sample');
      await expect(run({ ...unetInputs, other: sample })).rejects.toThrow('other');
      const deep = { ...floats([1], 0), dims: Array(40).fill(1) };
      await expect(run({ ...unetInputs, sample: deep })).rejects.toThrow(
        'input sample: expected 4 dimensions, received 40',
      );
      await expect(run({ ...unetInputs, sample: floats([99, 4, 3, 5], 0) })).rejects.toThrow('sample');
      await expect(run({ ...unetInputs, sample: { ...sample, type: 'int32' } })).rejects.toThrow('sample');
      const narrow = { ...floats([2, 4, 3, 5], 0), type: 'bfloat16' as const, data: new Uint8Array(240) };
      await expect(run({ ...unetInputs, sample: narrow })).rejects.toThrow(
        "input sample: expected element type 0 of TensorRT's DataType, received 7",
      );
      await expect(run({ ...unetInputs, sample: { ...sample, dims: [2, 4, 3, 6] } })).rejects.toThrow(
        'inputs.sample.data: expected Uint8Array of length 576, received Uint8Array of length 480',
      );
      expect(addon.sim.live()).toBe(0);
    });
  });

  describe('given what no caller of ours gives', () => {
    let session: NativeSession;
    beforeAll(async () => {
      session = await openTiny();
    });
    afterAll(() => session.close());

    it.each([
      ['guidanceScale', Number.NaN, 'job.guidanceScale: expected a finite number, received NaN'],
      ['plan', null, 'job.plan: expected an object, received null'],
      ['latentHeight', 0.5, 'job.latentHeight: expected an integer from 1 to 16384, received 0.5'],
      ['latentWidth', '4', 'job.latentWidth: expected an integer from 1 to 16384, received a string'],
      ['images', [], 'job.images: expected at least one image, received an array of length 0'],
      [
        'images',
        [{ ...tinyJob().images[0], noise: new Float32Array(3) }],
        'job.images[0].noise: expected Float32Array of length 64, received Float32Array of length 3',
      ],
    ])('refuses %s of %s', async (field, value, message) => {
      const error = await session.generate({ ...tinyJob(), [field]: value }, null, null).catch((caught) => caught);
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toBe(message);
    });

    it.each([
      ['promptIds', new Int32Array(15), 'expected Int32Array of length 16, received Int32Array of length 15'],
      ['promptIds', [1, 2], 'expected an Int32Array, received an array of length 2'],
      ['negativeIds', new Int32Array(15), 'expected Int32Array of length 16, received Int32Array of length 15'],
      ['negativeIds', null, 'expected an Int32Array, received null'],
    ])('refuses %s of an image that are %s', async (field, value, message) => {
      const job = tinyJob({ images: 2 });
      const images = job.images.with(1, { ...job.images[1], [field]: value } as never);
      const error = await session.generate({ ...job, images }, null, null).catch((caught) => caught);
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toBe(`job.images[1].${field}: ${message}`);
    });

    it('refuses signals that are none, listeners that are none, and receivers that are no session', async () => {
      const generate = session.generate as (...values: unknown[]) => Promise<unknown>;
      await expect(generate.call(session, tinyJob(), {}, null)).rejects.toThrow(
        'signal: expected an AbortSignal or null',
      );
      await expect(generate.call(session, tinyJob(), null, 1)).rejects.toThrow(
        'onEvents: expected a function, received 1',
      );
      await expect(async () => generate.call({}, tinyJob(), null, null)).rejects.toThrow(TypeError);
      const Session = addon.Session as unknown as new (...values: unknown[]) => unknown;
      expect(() => new Session()).toThrow('a session is made by Session.open(options)');
    });

    it('rejects with what a getter of the job throws, and survives one that closes the session', async () => {
      const mistake = new Error('getter');
      const throwing = Object.defineProperty(tinyJob(), 'images', {
        get: () => {
          throw mistake;
        },
      });
      await expect(session.generate(throwing, null, null)).rejects.toBe(mistake);
      const own = await openTiny();
      const close = () => {
        own.close();
        return 0;
      };
      const closing = Object.defineProperty(tinyJob(), 'previewEvery', { get: close });
      await expect(own.generate(closing, null, null)).rejects.toMatchObject({ code: 'CLOSED' });
    });

    it('answers any value in any place with an error or a result, never a crash', async () => {
      const options = await sessionOptions();
      const places: { base: object; call: (value: object) => unknown }[] = [
        { base: tinyJob(), call: (value) => session.generate(value as never, null, null) },
        { base: tinyJob().plan, call: (plan) => session.generate({ ...tinyJob(), plan } as never, null, null) },
        { base: options, call: (value) => addon.Session.open(value as never).then((own) => own.close()) },
        {
          base: options.model,
          call: (model) => addon.Session.open({ ...options, model } as never).then((own) => own.close()),
        },
        {
          base: options.engines,
          call: (engines) => addon.Session.open({ ...options, engines } as never).then((own) => own.close()),
        },
        { base: buildOptions('unet'), call: (value) => addon.buildEngine(value as never, null, null) },
        {
          base: { device: 0, library: LIBRARY, serialized: options.engines.unet },
          call: (value) => addon.runEngine(value as never, {}),
        },
        { base: { only: BUILD, more: [] }, call: (value) => addon.libraries(value) },
      ];
      const junk = fc.oneof(
        fc.anything({ withTypedArray: true, withBigInt: true, withDate: true }),
        fc.constant(() => 1),
        fc.double(),
      );
      const attempt = fc.record({
        place: fc.nat(places.length - 1),
        field: fc.nat(20),
        value: junk,
        whole: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(attempt, async ({ place, field, value, whole }) => {
          const { base, call } = places[place] as (typeof places)[number];
          const keys = Object.keys(base);
          const changed = { ...base, [keys[field % keys.length] as string]: value };
          await (async () => call(whole ? (value as object) : changed))().catch((error) =>
            expect(error).toBeInstanceOf(Error),
          );
        }),
        { numRuns: 1500 },
      );
      expect((await session.generate(tinyJob(), null, null)).images).toHaveLength(1);
    });
  });
});

import { describe, expect, it } from 'vitest';
import type { Backend, Probe, Session } from '../../../src/backends/backend.js';
import { BACKENDS, openSelected, selectBackend } from '../../../src/backends/select.js';
import { T2IError } from '../../../src/errors.js';
import type { ModelDescription } from '../../../src/model/description.js';

function backend(name: string, probe: Probe): Backend {
  return {
    name,
    probe: async () => probe,
    open: () => Promise.reject(new Error('not opened here')),
  };
}

const there = backend('there', { available: true, detail: 'ready' });
const missing = backend('missing', { available: false, reason: 'no such device', hint: 'Run `get-device`.' });
const broken = backend('broken', { available: false, reason: 'no library', hint: 'Run `get-library`.' });

describe('selectBackend', () => {
  it('gives auto the first that can run, and says why those before it cannot', async () => {
    const { backend: chosen, tried } = await selectBackend('auto', {}, [missing, there, broken]);
    expect(chosen).toBe(there);
    expect(tried).toEqual([{ name: 'missing', reason: 'no such device', hint: 'Run `get-device`.' }]);
  });

  it('gives a name that backend and tries no other', async () => {
    expect(await selectBackend('there', {}, [missing, there])).toEqual({
      backend: there,
      tried: [],
      rest: [],
    });
  });

  it('refuses a named backend that is missing, with its reason and what helps, though another could run', async () => {
    await expect(selectBackend('missing', {}, [missing, there])).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/missing.*no such device/),
      hint: 'Run `get-device`.',
    });
  });

  it('lists every try where none can run', async () => {
    await expect(selectBackend('auto', {}, [missing, broken])).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/missing: no such device; broken: no library/),
      hint: 'Run `get-device`. Run `get-library`.',
    });
  });

  it('lets auto take its first alone under strict', async () => {
    const strict = selectBackend('auto', { strict: true }, [missing, there]);
    await expect(strict).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', hint: 'Run `get-device`.' });
    expect(await selectBackend('auto', { strict: true }, [there, missing])).toMatchObject({ backend: there, rest: [] });
  });

  it('asks each backend with the options of the load', async () => {
    const asked: unknown[] = [];
    const curious: Backend = {
      ...there,
      async probe(options) {
        asked.push(options);
        return missing.probe();
      },
    };
    await selectBackend('auto', { tensorrtLibDir: '/there' }, [curious, there]);
    expect(asked).toEqual([{ tensorrtLibDir: '/there' }]);
  });

  it('takes one that runs only by its name for no other: auto passes it over, also where nothing else runs', async () => {
    const shy: Backend = { ...there, name: 'shy', onlyByName: true };
    expect((await selectBackend('auto', {}, [shy, there])).backend).toBe(there);
    expect((await selectBackend('auto', { strict: true }, [shy, there])).backend).toBe(there);
    expect((await selectBackend('auto', {}, [there, shy])).rest).toEqual([]);
    expect((await selectBackend('shy', {}, [there, shy])).backend).toBe(shy);
    await expect(selectBackend('auto', {}, [missing, shy])).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('refuses an unknown name with the known ones', async () => {
    await expect(selectBackend('cuda')).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'backend', expected: 'one of auto, tensorrt, onnxruntime, pytorch', received: '"cuda"' }],
    });
  });

  it('knows the backends of this package', () => {
    expect(BACKENDS.map(({ name }) => name)).toEqual(['tensorrt', 'onnxruntime', 'pytorch']);
  });
});

describe('openSelected', () => {
  const model = {} as ModelDescription;
  const session = { runtime: 'there 1.0' } as Session;
  const opens: Backend = { ...there, open: async () => session };
  const fails = (code: ConstructorParameters<typeof T2IError>[0]): Backend => ({
    ...backend('fails', { available: true, detail: 'so it says' }),
    open: () => Promise.reject(new T2IError(code, 'it did not fit', { hint: 'Buy more.' })),
  });

  it('lets auto fall back where the machine cannot after all, and says why', async () => {
    const backends = [missing, fails('OUT_OF_MEMORY'), broken, opens];
    const opened = await openSelected(await selectBackend('auto', {}, backends), model, {});
    expect(opened).toMatchObject({ backend: { name: 'there' }, session });
    expect(opened.tried).toEqual([
      { name: 'missing', reason: 'no such device', hint: 'Run `get-device`.' },
      { name: 'fails', reason: 'it did not fit', hint: 'Buy more.' },
      { name: 'broken', reason: 'no library', hint: 'Run `get-library`.' },
    ]);
  });

  it.each([
    ['fails', {}, 'OUT_OF_MEMORY'],
    ['auto', { strict: true }, 'ENGINE_BUILD_FAILED'],
    // Another backend would find the same.
    ['auto', {}, 'MODEL_INVALID'],
  ] as const)('does not where %s was asked with %j and the error is %3$s', async (name, options, code) => {
    const selection = await selectBackend(name, options, [fails(code), opens]);
    await expect(openSelected(selection, model, options)).rejects.toMatchObject({ code });
  });

  it('lets auto fall back where the engine cache cannot be used', async () => {
    const selection = await selectBackend('auto', {}, [fails('IO_FAILED'), opens]);
    expect(await openSelected(selection, model, {})).toMatchObject({ backend: { name: 'there' } });
  });

  it('closes what was opened where the load was aborted meanwhile', async () => {
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    let closed = 0;
    const slow: Backend = {
      ...there,
      open: async () => {
        controller.abort(reason);
        return { ...session, close: async () => void closed++ };
      },
    };
    const options = { signal: controller.signal };
    const selection = await selectBackend('auto', options, [slow, opens]);
    await expect(openSelected(selection, model, options)).rejects.toBe(reason);
    expect(closed).toBe(1);
  });

  it('reports every try where nothing is left', async () => {
    const selection = await selectBackend('auto', {}, [fails('DEVICE_LOST'), broken]);
    await expect(openSelected(selection, model, {})).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/fails: it did not fit; broken: no library/),
    });
  });
});

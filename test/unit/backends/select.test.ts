import { describe, expect, it } from 'vitest';
import type { Backend, Probe } from '../../../src/backends/backend.js';
import { BACKENDS, selectBackend } from '../../../src/backends/select.js';

function backend(name: string, probe: Probe): Backend {
  return {
    name,
    runtimeVersion: () => `${name} 1.0`,
    probe: async () => probe,
    open: () => Promise.reject(new Error('not opened here')),
  };
}

const there = backend('there', { available: true, detail: 'ready' });
const missing = backend('missing', { available: false, reason: 'no such device', hint: 'Run `get-device`.' });
const broken = backend('broken', { available: false, reason: 'no library', hint: 'Run `get-library`.' });

describe('selectBackend', () => {
  it('gives auto the first that can run, and says why those before it cannot', async () => {
    const { backend: chosen, tried } = await selectBackend('auto', [missing, there, broken]);
    expect(chosen).toBe(there);
    expect(tried).toEqual([{ name: 'missing', reason: 'no such device', hint: 'Run `get-device`.' }]);
  });

  it('gives a name that backend and tries no other', async () => {
    expect(await selectBackend('there', [missing, there])).toEqual({ backend: there, tried: [] });
  });

  it('refuses a named backend that is missing, with its reason and what helps, though another could run', async () => {
    await expect(selectBackend('missing', [missing, there])).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/missing.*no such device/),
      hint: 'Run `get-device`.',
    });
  });

  it('lists every try where none can run', async () => {
    await expect(selectBackend('auto', [missing, broken])).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/missing: no such device; broken: no library/),
      hint: 'Run `get-device`. Run `get-library`.',
    });
  });

  it('refuses an unknown name with the known ones', async () => {
    await expect(selectBackend('cuda')).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      issues: [{ option: 'backend', expected: 'one of auto, onnxruntime', received: '"cuda"' }],
    });
  });

  it('knows the backends of this package', () => {
    expect(BACKENDS.map(({ name }) => name)).toEqual(['onnxruntime']);
  });
});

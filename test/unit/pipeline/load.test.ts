import { describe, expect, it, vi } from 'vitest';
import { T2IError } from '../../../src/errors.js';
import { Pipeline } from '../../../src/pipeline.js';

const { loadSharp, selectBackend } = vi.hoisted(() => ({
  loadSharp: vi.fn<() => Promise<void>>(),
  selectBackend: vi.fn<() => Promise<void>>(),
}));
vi.mock('../../../src/image/sharp.js', () => ({ loadSharp }));
vi.mock('../../../src/backends/select.js', () => ({ selectBackend }));

describe('Pipeline.load', () => {
  it('looks for a backend while it loads the codec', async () => {
    selectBackend.mockRejectedValue(new T2IError('BACKEND_UNAVAILABLE', 'none here'));
    loadSharp.mockImplementation(() => vi.waitUntil(() => selectBackend.mock.calls.length > 0).then(() => {}));
    await expect(Pipeline.load()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('ends where there is no codec, though a backend is still being looked for', async () => {
    selectBackend.mockReturnValue(new Promise(() => {}));
    loadSharp.mockRejectedValue(new T2IError('CODEC_UNAVAILABLE', 'no codec'));
    await expect(Pipeline.load()).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE' });
  });
});

import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeModel } from '../../../src/model/layout.js';
import { Pipeline } from '../../../src/pipeline.js';
import { findModels } from '../../../src/server/models/find-models.js';
import { ServedModels } from '../../../src/server/models/served-model.js';
import { memoryModel } from '../../support/memory-server.js';
import { memoryPipeline } from '../../support/memory-session.js';

const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));

afterEach(() => void vi.restoreAllMocks());

describe('the models of a server', () => {
  it('are found by their folders, under the names that they have or are given', async () => {
    const [own, given] = await findModels([TINY, { id: 'given', model: TINY }]);
    expect([own?.id, given?.id]).toEqual(['tiny', 'given']);
    expect([own?.closes, given?.model.name]).toEqual([true, 'tiny']);
    expect(own?.tokenizer.encode('a red apple').tokens).toBe(given?.tokenizer.encode('a red apple').tokens);
    // The CPU computes with twice the bytes of the files.
    const files = await readdir(TINY, { recursive: true });
    const size = (name: string) => statSync(join(TINY, name)).size;
    const networks = files.filter((name) => /\.onnx(_data)?$/.test(name));
    expect(own?.bytes).toBeGreaterThanOrEqual(2 * networks.reduce((sum, name) => sum + size(name), 0));
    expect(own?.bytes).toBe(2 * Object.values(own?.model.stamps ?? {}).reduce((sum, stamp) => sum + stamp.size, 0));
  });

  it('are described by those of their files that the backend runs, and opened as they were then', async () => {
    const model = await describeModel(TINY);
    const describe = vi.fn(async () => model);
    const load = { backend: 'pytorch', threads: 2 } as const;
    const [served] = await findModels(['a', { id: 'b', model: 'c' }], load, describe);
    expect(describe.mock.calls).toEqual([
      ['a', 'safetensors'],
      ['c', 'safetensors'],
    ]);
    const loadWith = vi.spyOn(Pipeline, 'loadWith').mockResolvedValue(memoryPipeline().pipeline);
    const { signal } = new AbortController();
    await served?.open(signal);
    const [again, options] = loadWith.mock.calls[0] ?? [];
    expect(options).toEqual({ ...load, signal });
    expect(await again?.(undefined, undefined, undefined, undefined)).toBe(model);
    expect(describe).toHaveBeenCalledTimes(2);
  });

  it('are described as every backend runs them where none is chosen', async () => {
    const describe = vi.fn(async () => describeModel(TINY));
    await findModels(['a'], undefined, describe);
    expect(describe).toHaveBeenCalledWith('a', undefined);
  });

  it('are opened again by the backend that once ran them, and by any where none did yet', async () => {
    const [served] = await findModels(['a'], { threads: 2 }, () => describeModel(TINY));
    const loadWith = vi.spyOn(Pipeline, 'loadWith').mockRejectedValueOnce(new Error('no memory'));
    loadWith.mockResolvedValue(memoryPipeline().pipeline);
    const { signal } = new AbortController();
    await expect(served?.open(signal)).rejects.toThrow('no memory');
    await served?.open(signal);
    await served?.open(signal);
    const load = { threads: 2, signal };
    expect(loadWith.mock.calls.map(([, options]) => options)).toEqual([load, load, { ...load, backend: 'memory' }]);
  });

  it('may be open already, and are left open then, and counted for nothing', async () => {
    const { pipeline } = memoryPipeline(await describeModel(TINY));
    const [own, given] = await findModels([{ pipeline }, { id: 'given', pipeline }]);
    expect([own?.id, given?.id]).toEqual(['tiny', 'given']);
    expect(own).toMatchObject({ bytes: 0, closes: false });
    expect(own?.model).toBe(pipeline.model);
    expect(await own?.open(new AbortController().signal)).toBe(pipeline);
  });

  it('are none where one is not there', async () => {
    await expect(findModels([TINY, join(TINY, 'nothing')])).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});

describe('the ids of models', () => {
  const served = (...ids: string[]) => new ServedModels(ids.map((id) => memoryModel(id)));

  it.each(['a', 'A9', '0', 'stable-diffusion_v1.5', `a${'b'.repeat(95)}`])('may be %s', (id) => {
    expect(served(id, 'other').ids).toEqual([id, 'other']);
  });

  it.each(['', '.a', '-a', '_a', 'a/b', 'a b', 'é', `a${'b'.repeat(96)}`, 'a\n', '/a'])('may not be %j', (id) => {
    expect(() => served('first', id)).toThrow(
      expect.objectContaining({
        ...{ code: 'OPTION_INVALID', hint: expect.stringContaining('ID=MODEL') },
        message: expect.stringMatching(/^model: .* is no id of a model/),
      }),
    );
  });

  it('are of one model each', () => {
    const error = expect.objectContaining({ message: expect.stringMatching(/^model: "twice" .* two models/) });
    expect(() => served('once', 'twice', 'twice')).toThrow(error);
  });

  it('find their model, and the first where none is named', () => {
    const models = served('first', 'second');
    expect(models.find(undefined).id).toBe('first');
    expect(models.find('second').id).toBe('second');
    expect(models.all.map(({ id }) => id)).toEqual(['first', 'second']);
  });

  it('that are not there are refused with those that are, and the one that may be meant', () => {
    const models = served('first', 'second');
    const refusal = (id: string) => {
      try {
        return models.find(id);
      } catch (error) {
        return error;
      }
    };
    expect(refusal('secnod')).toMatchObject({
      ...{ status: 404, code: 'model_not_found', message: expect.stringMatching(/did you mean "?second/i) },
      issues: [{ option: 'model', expected: expect.stringContaining('first'), received: '"secnod"' }],
    });
    expect(refusal('constructor')).toMatchObject({ status: 404, message: expect.not.stringContaining('mean') });
  });
});

import { describe, expect, it } from 'vitest';
import { MAX_SEED } from '../../../src/diffusion/noise.js';
import { GeneratedImage } from '../../../src/image/generated-image.js';
import { readReceipt } from '../../../src/image/read-receipt.js';
import { checkImageBody, type ImageBody, withPreviews } from '../../../src/server/images/image-body.js';
import { encodeFile, encodePreview, mediaTypeOf } from '../../../src/server/images/image-file.js';
import { formatOfName, newImageName } from '../../../src/server/images/image-name.js';
import { ImageStore } from '../../../src/server/images/image-store.js';
import { memoryModel, memoryServer } from '../../support/memory-server.js';
import { gradient, receiptOf } from '../../support/receipts.js';

const { service } = await memoryServer({}, { models: [memoryModel('first'), memoryModel('second')] });
const check = (body: ImageBody) => checkImageBody(service, { prompt: 'x', seed: 1, ...body }, []);
function issuesOf(body: ImageBody): { readonly option: string; readonly received: string }[] {
  try {
    check(body);
    return [];
  } catch (error) {
    return (error as { issues: { option: string; received: string }[] }).issues;
  }
}

describe('an image that is asked for in JSON', () => {
  it('is what every field of the body says', () => {
    const { served, request } = check({
      ...{ model: 'second', n: 2, size: '16x24', seed: 5, negative_prompt: 'blurry', steps: 4 },
      ...{ guidance_scale: 3, sampler: 'dpmpp-2m', sigmas: 'karras' },
    });
    expect(served.id).toBe('second');
    expect(request).toMatchObject({
      ...{ prompt: 'x', seeds: [5, 6], width: 16, height: 24, negativePrompt: 'blurry', steps: 4 },
      ...{ guidanceScale: 3, sampler: 'dpmpp-2m', sigmas: 'karras' },
    });
    expect(check({ seed: null, seeds: [3, 9] }).request.seeds).toEqual([3, 9]);
    expect(check({ sampler: 'ddim', eta: 0.5 }).request.eta).toBe(0.5);
  });

  it('is as the model has it where a field is left out, or null', () => {
    const nothing = {
      ...{ model: null, n: null, size: null, seed: 1, seeds: null, negative_prompt: null, steps: null },
      ...{ guidance_scale: null, sampler: null, sigmas: null, eta: null, preset: null },
      ...{ output_format: null, output_compression: null },
    };
    const { served, request, file } = check(nothing);
    expect(served.id).toBe('first');
    expect(request).toMatchObject({ seeds: [1], width: 32, height: 32, sampler: 'ddim' });
    expect(file).toEqual({ format: 'png', compression: undefined });
    expect(check({}).request).toEqual(request);
    expect(check({ size: 'auto' }).request).toEqual(request);
  });

  it('is refused by the names of the API, with what is wrong besides', () => {
    const wrong = { size: '17x23', negative_prompt: 'x', guidance_scale: -1, seed: MAX_SEED, n: 2 };
    const found = [{ option: 'user', expected: 'no such field', received: '"me"' }];
    expect(() => checkImageBody(service, { prompt: 'x', ...wrong }, found)).toThrow(
      expect.objectContaining({ status: 400, code: 'option_invalid' }),
    );
    const options = issuesOf(wrong).map(({ option }) => option);
    expect(options).toContain('size');
    expect(options).toContain('guidance_scale');
    expect(options).not.toContain('width');
    expect(options).not.toContain('guidanceScale');
    expect(() => checkImageBody(service, {}, found)).toThrow(expect.objectContaining({ issues: found }));
  });

  it.each<[ImageBody, object]>([
    [{ output_compression: 100 }, { format: 'png', compression: 100 }],
    [
      { output_format: 'png', output_compression: 100 },
      { format: 'png', compression: 100 },
    ],
    [{ output_format: 'jpeg' }, { format: 'jpeg', compression: undefined }],
    [
      { output_format: 'webp', output_compression: 0 },
      { format: 'webp', compression: 0 },
    ],
  ])('becomes the file that %j says', (body, file) => expect(check(body).file).toEqual(file));

  it('has no compression as a PNG', () => {
    const refused = [{ option: 'output_compression', expected: 'nothing with png', received: '0' }];
    expect(issuesOf({ output_compression: 0 })).toEqual(refused);
    expect(issuesOf({ output_format: 'jpeg', output_compression: 0 })).toEqual([]);
  });

  it('has no previews where none are asked for', () => {
    expect(withPreviews(check({ steps: 10 }), 0).request.previewEvery).toBe(0);
  });

  it.each([
    [10, 1, [6]],
    [10, 2, [4, 8]],
    [10, 3, [3, 6, 9]],
    [4, 3, [2, 4]],
    [2, 3, [1, 2]],
    [9, 2, [4, 8]],
  ])('of %i steps has at most %i previews, spread evenly', (steps, previews, at) => {
    const { previewEvery } = withPreviews(check({ steps }), previews).request;
    const shown = Array.from({ length: steps }, (_, index) => index + 1).filter((step) => step % previewEvery === 0);
    expect(shown).toEqual(at);
  });
});

describe('the file of an image', () => {
  const { rgb } = gradient();
  const image = new GeneratedImage(rgb, receiptOf());

  it('has the quality that was asked for, 1 at least, and its receipt', async () => {
    const jpeg = (compression?: number) => encodeFile(image, { format: 'jpeg', compression });
    expect(await jpeg(0)).toEqual(await image.toBuffer('jpeg', { quality: 1 }));
    expect(await jpeg(55)).toEqual(await image.toBuffer('jpeg', { quality: 55 }));
    expect(await jpeg()).toEqual(await image.toBuffer('jpeg'));
    expect(await readReceipt(await jpeg(55))).toMatchObject({ seed: 7 });
    expect(await encodeFile(image, { format: 'png', compression: 100 })).toEqual(await image.toBuffer('png'));
  });

  it('has neither a receipt nor another quality as a preview', async () => {
    const preview = await encodePreview(gradient(), { format: 'jpeg', compression: 55 });
    expect(preview).toEqual(await image.toBuffer('jpeg', { quality: 55, metadata: false }));
    expect(preview).not.toEqual(await encodePreview(gradient(), { format: 'jpeg', compression: 0 }));
  });

  it.each(['png', 'jpeg', 'webp'] as const)('is named and sent as %s', (format) => {
    const [one, other] = [newImageName(format), newImageName(format)];
    expect(one).not.toBe(other);
    expect([formatOfName(one), mediaTypeOf({ format })]).toEqual([format, `image/${format}`]);
  });

  it.each([
    `${'a'.repeat(22)}.gif`,
    `${'a'.repeat(21)}.png`,
    `${'a'.repeat(23)}.png`,
    `${'a'.repeat(21)}/.png`,
    `x/${'a'.repeat(22)}.png`,
    `${'a'.repeat(22)}.png.bak`,
    `${'a'.repeat(22)}xpng`,
    '',
  ])('is none by the name %j', (name) => expect(formatOfName(name)).toBeNull());
});

describe('the images that are kept', () => {
  it('are asked for by their own names alone', async () => {
    const asked: string[] = [];
    const read = async (name: string) => {
      asked.push(name);
      return name.startsWith('a') ? new Uint8Array([1]) : null;
    };
    const store = new ImageStore({ read, write: async () => {}, close: () => {} });
    const [here, gone] = ['a', 'b'].map((letter) => `${letter.repeat(22)}.webp`) as [string, string];
    expect(await store.read(here)).toEqual({ bytes: new Uint8Array([1]), type: 'image/webp' });
    for (const name of [gone, 'own.txt', '../secret.png'])
      await expect(store.read(name)).rejects.toMatchObject({ status: 404, code: 'not_found' });
    expect(asked).toEqual([here, gone]);
  });
});

describe('images that are answered by an API without a shape of its own', () => {
  const jsonOf = async (response: Response) => JSON.parse(await response.text());
  const post = async (body: object, accept: string) => {
    const server = await memoryServer();
    const headers = { 'content-type': 'application/json', accept };
    const init = { method: 'POST', headers, body: JSON.stringify({ prompt: 'x', steps: 2, seed: 7, ...body }) };
    return server.app.request('/invocations', init);
  };

  it('are the file of the only one where the client wants that before all else', async () => {
    const response = await post({ output_format: 'webp' }, 'image/*');
    expect([response.headers.get('content-type'), response.headers.get('x-seed')]).toEqual(['image/webp', '7']);
    expect(await readReceipt(new Uint8Array(await response.arrayBuffer()))).toMatchObject({ seed: 7 });
    const json = await post({}, 'application/json, image/*');
    expect(json.headers.get('content-type')).toBe('application/json');
  });

  it.each([
    ['n', { n: 2 }],
    ['seeds', { seed: undefined, seeds: [1, 2] }],
  ])('are not the file of several, by %s', async (_, body) => {
    const response = await post(body, 'image/png');
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error.message).toMatch(/^n: expected 1 with Accept: image\/\*, received 2$/);
    expect((await post(body, '*/*')).status).toBe(200);
  });

  it('come with what there is to know of the request', async () => {
    const long = Array.from({ length: 40 }, () => 'apple').join(' ');
    const { model, images, output_format, warnings } = await jsonOf(await post({ prompt: long, n: 2 }, '*/*'));
    expect([model, output_format, images.map(({ seed }: { seed: number }) => seed)]).toEqual([
      'formula',
      'png',
      [7, 8],
    ]);
    expect(warnings).toMatchObject([{ code: 'PROMPT_CUT' }]);
  });
});

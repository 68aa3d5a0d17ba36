import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { T2IError } from '../../../src/errors.js';
import { describeModel } from '../../../src/model/layout.js';
import { fixture } from '../../contract/tiny-jobs.js';
import { scratch } from './model-dir.js';

const UNET = 'unet/diffusion_pytorch_model.safetensors';
const read = (dir: string) => describeModel(dir, undefined, undefined, 'safetensors');

/** A copy of a model in diffusers' layout, with files written, renamed or (null) removed. */
function copy(changes: Readonly<Record<string, string | null>> = {}, model = 'tiny'): string {
  const dir = scratch();
  cpSync(fixture(`diffusers/${model}`), dir, { recursive: true });
  for (const [path, content] of Object.entries(changes)) {
    const full = join(dir, path);
    mkdirSync(dirname(full), { recursive: true });
    if (content === null) rmSync(full);
    else writeFileSync(full, content);
  }
  return dir;
}

const manyShards = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, `a-${i}.safetensors`]));

const refused = (dir: string): Promise<T2IError> =>
  read(dir).then(
    () => expect.fail('the model was accepted'),
    (error) => error,
  );

/** A configuration of the model with one field changed. */
function configured(path: string, fields: object): Record<string, string> {
  const json = JSON.parse(readFileSync(join(fixture('diffusers/tiny'), path), 'utf8'));
  return { [path]: JSON.stringify({ ...json, ...fields }) };
}

describe('a model directory without graphs', () => {
  it('is refused with how to export it, where graphs are wanted', async () => {
    await expect(describeModel(fixture('diffusers/tiny'))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(
        /unet\/model\.onnx: expected a file, received none; PyTorch weights: .*unet\/diff/,
      ),
      hint: expect.stringMatching(/optimum-cli export onnx/),
    });
  });

  it('is described as the graphs of the same weights are, where weights of PyTorch are wanted', async () => {
    for (const name of ['tiny', 'tiny-v']) {
      const [torch, onnx] = [await read(fixture(`diffusers/${name}`)), await describeModel(fixture(name))];
      const { weights, latentChannels, vaeFactor, scalingFactor, nativeSize, sizeGranularity, tokenizer } = torch;
      expect(weights).toBe('safetensors');
      expect({ latentChannels, vaeFactor, scalingFactor, nativeSize, sizeGranularity }).toEqual({
        latentChannels: onnx.latentChannels,
        vaeFactor: onnx.vaeFactor,
        scalingFactor: onnx.scalingFactor,
        nativeSize: onnx.nativeSize,
        sizeGranularity: onnx.sizeGranularity,
      });
      expect([tokenizer.contextLength, torch.fixedSize, torch.guidanceWidth]).toEqual([16, null, null]);
    }
    expect((await read(fixture('diffusers/tiny-lcm'))).guidanceWidth).toBe(32);
  });

  it('is known by the hash of every file that decides the image, and of no other', async () => {
    const dir = copy({
      'README.md': 'x',
      'unet/diffusion_pytorch_model.bin': 'x',
      'pytorch_lora_weights.safetensors': 'x',
    });
    expect(Object.keys((await read(dir)).hashes)).toEqual([
      'pytorch_lora_weights.safetensors',
      'scheduler/scheduler_config.json',
      'text_encoder/config.json',
      'text_encoder/model.safetensors',
      'tokenizer/merges.txt',
      'tokenizer/tokenizer_config.json',
      'tokenizer/vocab.json',
      'unet/config.json',
      UNET,
      'vae/config.json',
      'vae/diffusion_pytorch_model.safetensors',
    ]);
  });

  it('may have its weights in shards, each of which is hashed', async () => {
    const dir = copy();
    renameSync(join(dir, UNET), join(dir, 'unet/a-1.safetensors'));
    writeFileSync(join(dir, 'unet/a-2.safetensors'), 'x');
    const map = { one: 'a-1.safetensors', two: 'a-2.safetensors', three: 'a-1.safetensors' };
    writeFileSync(join(dir, `${UNET}.index.json`), JSON.stringify({ weight_map: map }));
    const { hashes, unet } = await read(dir);
    expect(Object.keys(hashes).filter((path) => path.startsWith('unet/'))).toEqual([
      'unet/a-1.safetensors',
      'unet/a-2.safetensors',
      'unet/config.json',
      `${UNET}.index.json`,
    ]);
    expect(unet.path).toBe(join(dir, `${UNET}.index.json`));
  });

  it.each([
    ['outside of the folder', { weight_map: { one: '../../stolen.safetensors' } }],
    ['with another ending', { weight_map: { one: 'a.bin' } }],
    ['of another type', { weight_map: { one: 7 } }],
    ['none', { weight_map: {} }],
    ['in a list', []],
    ['in a list of the map', { weight_map: ['a.safetensors'] }],
    ['one of them with another ending', { weight_map: { one: 'a.safetensors', two: 'b.safetensors.bin' } }],
    ['a hundred and one', { weight_map: manyShards(101) }],
  ])('is refused where an index names shards: %s', async (_, index) => {
    const dir = copy({ [UNET]: null, [`${UNET}.index.json`]: JSON.stringify(index) });
    expect((await refused(dir)).issues[0]).toMatchObject({ option: `${UNET}.index.json: weight_map` });
  });

  it('is refused with the first of the shards that are none, or with none', async () => {
    const received = async (map: object) => {
      const index = JSON.stringify({ weight_map: map });
      return (await refused(copy({ [UNET]: null, [`${UNET}.index.json`]: index }))).issues[0]?.received;
    };
    expect([await received({}), await received({ one: 'a.bin' })]).toEqual(['none', '"a.bin"']);
    // As text it would be the name of one.
    expect(await received({ one: ['a.safetensors'] })).toBeDefined();
    const empty = copy({ [UNET]: null, [`${UNET}.index.json`]: '{}' });
    expect((await refused(empty)).issues[0]?.received).toBe('none');
  });

  it('may have a hundred shards', async () => {
    const index = JSON.stringify({ weight_map: manyShards(100) });
    const { issues } = await refused(copy({ [UNET]: null, [`${UNET}.index.json`]: index }));
    expect(issues[0]?.option).toBe('unet/a-0.safetensors');
  });

  it('has inputs of the sizes that its configurations give', async () => {
    const { textEncoder, unet, vaeDecoder } = await read(fixture('diffusers/tiny-lcm'));
    const { hidden_size: width } = JSON.parse(
      readFileSync(join(fixture('diffusers/tiny-lcm'), 'text_encoder/config.json'), 'utf8'),
    );
    expect([textEncoder.ids.shape, textEncoder.states.shape]).toEqual([
      [null, null],
      [null, null, width],
    ]);
    expect([unet.timestep.shape, unet.encoderHiddenStates.shape, unet.timestepCond?.shape]).toEqual([
      [1],
      [null, null, width],
      [null, 32],
    ]);
    expect([unet.sample.shape, vaeDecoder.latents.shape, vaeDecoder.image.shape]).toEqual([
      [null, 4, null, null],
      [null, 4, null, null],
      [null, 3, null, null],
    ]);
  });

  it('is refused where a shard is missing', async () => {
    const index = JSON.stringify({ weight_map: { one: 'a.safetensors' } });
    const { message } = await refused(copy({ [UNET]: null, [`${UNET}.index.json`]: index }));
    expect(message).toContain('unet/a.safetensors: expected a file, received none');
  });

  it('is refused where weights are links that leave it', async () => {
    const dir = copy({ [UNET]: null });
    symlinkSync(join(fixture('diffusers/tiny'), UNET), join(dir, UNET));
    expect((await refused(dir)).message).toContain(`${UNET}: expected a file inside the model directory`);
  });

  it('is refused with what helps where the weights are a pickle, which is never read', async () => {
    const { message, hint } = await refused(copy({ [UNET]: null, 'unet/diffusion_pytorch_model.bin': 'x' }));
    expect(message).toContain(
      `${UNET}: expected a file, received none; other weights: unet/diffusion_pytorch_model.bin`,
    );
    expect(hint).toContain('t2i model convert-pickle unet/diffusion_pytorch_model.bin --i-trust-this-file');
  });

  it('is refused with the names of other weights, and to rename them', async () => {
    const other = 'unet/diffusion_pytorch_model.fp16.safetensors';
    const { message, hint } = await refused(copy({ [UNET]: null, [other]: 'x' }));
    expect(message).toContain(`other weights: ${other}`);
    expect(hint).toContain(`rename it to ${UNET}`);
  });

  it('is refused where transformers would take the weights from elsewhere', async () => {
    const { message } = await refused(copy({ 'text_encoder/adapter_config.json': '{}' }));
    expect(message).toContain('text_encoder/adapter_config.json: expected none: the weights beside it');
  });

  it('is refused with everything that is missing or contradicts itself, by the file', async () => {
    const { issues } = await refused(
      copy({ ...configured('unet/config.json', { in_channels: 9, cross_attention_dim: 32 }), 'vae/config.json': null }),
    );
    expect(issues.map(({ option }) => option)).toEqual([
      'vae/config.json',
      'latent channels',
      'width of the text states',
    ]);
    expect(issues[1]?.received).toContain('9 in unet/config.json input');
  });
});

describe('a model directory that has both', () => {
  /** Of the fixture with graphs, with the weights of PyTorch put beside them. */
  function both(): string {
    const dir = copy();
    cpSync(fixture('tiny'), dir, { recursive: true });
    return dir;
  }

  it('is read as it is wanted', async () => {
    const dir = both();
    expect((await describeModel(dir)).hashes).toEqual((await describeModel(fixture('tiny'))).hashes);
    const { weights, hashes } = await read(dir);
    expect(weights).toBe('safetensors');
    expect(Object.keys(hashes).filter((path) => path.endsWith('.onnx') || path.startsWith('vae_decoder'))).toEqual([]);
  });

  it('is read from its graphs where the weights are not whole', async () => {
    const dir = both();
    rmSync(join(dir, UNET));
    expect((await read(dir)).weights).toBe('onnx');
  });
});

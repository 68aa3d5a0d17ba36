import { describe, expect, it } from 'vitest';
import { agree, type Parts, SOURCES } from '../../../src/model/consistency.js';
import type { TensorInfo } from '../../../src/model/description.js';
import { Problems } from '../../../src/model/problems.js';
import { issuesOf } from './issues-of.js';

type Shape = TensorInfo['shape'];
const tensor = (name: string, shape: Shape): TensorInfo => ({ name, type: 'float32', shape });
const PLANE: Shape = [null, 4, null, null];

/** Shapes of the tensors, and what the files beside the graphs say, where it is another than that of a model which agrees. */
interface Changes {
  ids?: Shape;
  mask?: Shape;
  states?: Shape;
  sample?: Shape;
  timestep?: Shape;
  hidden?: Shape;
  cond?: Shape;
  output?: Shape;
  latents?: Shape;
  image?: Shape;
  text?: Partial<Parts['textConfig']>;
  unet?: Partial<Parts['unetConfig']>;
  vae?: Partial<Parts['vaeConfig']>;
  contextLength?: number | null;
  vocabSize?: number | null;
}

/** What the parts of a model agree on, and every contradiction. */
function agreed(changes: Changes = {}) {
  const { text, unet, vae, contextLength = 16, vocabSize = 8, mask, cond, ...shapes } = changes;
  const parts: Parts = {
    sources: SOURCES.onnx,
    textEncoder: {
      path: '/t',
      ids: tensor('ids', shapes.ids ?? [null, 16]),
      attentionMask: mask ? tensor('mask', mask) : null,
      states: tensor('states', shapes.states ?? [null, 16, 32]),
    },
    unet: {
      path: '/u',
      sample: tensor('sample', shapes.sample ?? PLANE),
      timestep: tensor('timestep', shapes.timestep ?? [1]),
      encoderHiddenStates: tensor('hidden', shapes.hidden ?? [null, 16, 32]),
      timestepCond: cond ? tensor('cond', cond) : null,
      output: tensor('output', shapes.output ?? PLANE),
    },
    vaeDecoder: {
      path: '/v',
      latents: tensor('latents', shapes.latents ?? PLANE),
      image: tensor('image', shapes.image ?? [null, 3, null, null]),
    },
    textConfig: { contextLength: 16, hiddenSize: 32, vocabSize: 8, ...text },
    unetConfig: { sampleSize: null, halvings: 2, inChannels: 4, crossAttentionDim: 32, timeCondProjDim: null, ...unet },
    vaeConfig: { scalingFactor: 1, shiftFactor: 0, factor: 8, latentChannels: 4, ...vae },
    contextLength,
    vocabSize,
  };
  const problems = new Problems();
  const result = agree(parts, problems);
  return { result, wrong: issuesOf(problems) };
}
const wrong = (changes: Changes) => agreed(changes).wrong;
const [TEXT, UNET, VAE] = ['text_encoder/model.onnx', 'unet/model.onnx', 'vae_decoder/model.onnx'];

it('what all parts say is what they agree on', () => {
  expect(agreed()).toEqual({
    result: { statesPerPrompt: 16, guidanceWidth: null, latentChannels: 4, vaeFactor: 8, fixedSize: null },
    wrong: [],
  });
});

describe('a quantity is one number', () => {
  it.each<[string, Changes, string]>([
    ['latent channels', { output: [null, 8, null, null] }, `8 in ${UNET} output`],
    ['latent channels', { unet: { inChannels: 8 } }, '8 in unet/config.json'],
    ['latent channels', { latents: [null, 8, null, null] }, `8 in ${VAE} input`],
    ['latent channels', { vae: { latentChannels: 8 } }, '8 in the autoencoder config.json'],
    ['width of the text states', { text: { hiddenSize: 8 } }, '8 in text_encoder/config.json'],
    ['width of the text states', { hidden: [null, 16, 8] }, `8 in ${UNET} input`],
    ['width of the text states', { unet: { crossAttentionDim: 8 } }, '8 in unet/config.json'],
    ['tokens of the context', { ids: [null, 8] }, `16 in the tokenizer, 8 in ${TEXT} input`],
    ['tokens of the context', { mask: [null, 8] }, `8 in ${TEXT} attention mask`],
    ['text states of a prompt', { hidden: [null, 8, 32] }, `16 in ${TEXT} output, 8 in ${UNET} input`],
    ['channels of the image', { image: [null, 4, null, null] }, `3 in red, green and blue, 4 in ${VAE} output`],
    ['width of the guidance embedding', { cond: [null, 8], unet: { timeCondProjDim: 9 } }, '9 in unet/config.json'],
    [`batch of ${TEXT}`, { ids: [1, 16], mask: [2, 16] }, '1 in "ids", 2 in "mask"'],
    [`batch of ${TEXT}`, { ids: [1, 16], states: [2, 16, 32] }, '1 in "ids", 2 in "states"'],
    [`batch of ${UNET}`, { sample: [2, 4, null, null], timestep: [3] }, '2 in "sample", 3 in "timestep"'],
    [`batch of ${UNET}`, { sample: [2, 4, null, null], hidden: [1, 16, 32] }, '2 in "sample", 1 in "hidden"'],
    [`batch of ${UNET}`, { sample: [2, 4, null, null], cond: [1, 8] }, '2 in "sample", 1 in "cond"'],
    [`batch of ${UNET}`, { sample: [2, 4, null, null], output: [1, 4, null, null] }, '2 in "sample", 1 in "output"'],
    [`batch of ${VAE}`, { latents: [1, 4, null, null], image: [2, 3, null, null] }, '1 in "latents", 2 in "image"'],
    ['height of the latents', { sample: [null, 4, 8, null], output: [null, 4, 9, null] }, `8 in ${UNET} input, 9 in`],
    ['width of the latents', { sample: [null, 4, null, 8], output: [null, 4, null, 9] }, `8 in ${UNET} input, 9 in`],
    ['height of the latents', { sample: [null, 4, 8, 8], latents: [null, 4, 9, 8] }, `9 in ${VAE} input`],
  ])('%s: %j', (quantity, changes, received) => {
    const refusal = wrong(changes).find((each) => each.startsWith(`${quantity}: one number, not `));
    expect(refusal).toContain(received);
  });

  it('unless a file leaves it open', () => {
    const open: Changes = {
      ids: [null, null],
      states: [null, null, null],
      hidden: [null, null, null],
      text: { contextLength: null, hiddenSize: null, vocabSize: null },
      unet: { inChannels: null, crossAttentionDim: null },
      vae: { factor: null, latentChannels: null },
    };
    expect(agreed(open).wrong).toEqual([]);
    expect(agreed({ ...open, contextLength: 77 }).result.statesPerPrompt).toBe(77);
    expect(agreed({ ...open, contextLength: null }).result.statesPerPrompt).toBe(0);
  });

  it('but for a timestep that is one for all rows', () => {
    expect(wrong({ sample: [2, 4, null, null], timestep: [1] })).toEqual([]);
    expect(wrong({ sample: [2, 4, null, null], timestep: [] })).toEqual([]);
    expect(wrong({ sample: [2, 4, null, null], timestep: [2] })).toEqual([]);
  });
});

describe('the tokenizer', () => {
  it('gives no more tokens than the text encoder has positions and embeddings for', () => {
    expect(wrong({ text: { contextLength: 16, vocabSize: 8 } })).toEqual([]);
    expect(wrong({ text: { contextLength: 15, vocabSize: 7 } })).toEqual([
      'tokenizer: context length: at most the 15 positions of text_encoder/config.json, not 16',
      'tokenizer: size of the vocabulary: at most the 7 embeddings of text_encoder/config.json, not 8',
    ]);
    // Where it could not be read, that is told already.
    expect(wrong({ text: { contextLength: 15, vocabSize: 7 }, contextLength: null, vocabSize: null })).toEqual([]);
  });
});

describe('the sides of an image', () => {
  const fixed = (height: number | null, width: number | null): Changes => ({
    sample: [1, 4, height, width],
    output: [1, 4, height, width],
    latents: [1, 4, height, width],
  });

  it('are those of fixed latents, in pixels', () => {
    expect(agreed(fixed(8, 16)).result.fixedSize).toEqual({ height: 64, width: 128 });
    expect(agreed({ ...fixed(8, 16), image: [1, 3, 32, 64], vae: { factor: null } }).result).toMatchObject({
      vaeFactor: 4,
      fixedSize: { height: 32, width: 64 },
    });
  });

  it.each([
    [8, null],
    [null, 8],
  ])('are both fixed or both dynamic, not %j and %j', (height, width) => {
    const { result, wrong } = agreed(fixed(height, width));
    expect(result.fixedSize).toBeNull();
    expect(wrong).toEqual([`${UNET}: height and width of the latents both fixed or both dynamic, not one of each`]);
  });

  it('are at most 4096 pixels, fixed or trained', () => {
    const beyond = 'at most 512 latent pixels (4096 pixels) a side, not';
    expect(wrong(fixed(512, 512))).toEqual([]);
    expect(wrong(fixed(513, 514))).toEqual([
      `${UNET} input: height of the latents: ${beyond} 513`,
      `${UNET} input: width of the latents: ${beyond} 514`,
    ]);
    const trained = (height: number, width: number) => wrong({ unet: { sampleSize: { height, width } } });
    expect(trained(512, 512)).toEqual([]);
    expect(trained(513, 513)).toEqual([`unet/config.json: sample_size: ${beyond} 513`]);
    expect(trained(512, 513)).toEqual([`unet/config.json: sample_size: ${beyond} 513`]);
    expect(trained(513, 514)).toHaveLength(2);
  });

  it('are multiples of no more than that', () => {
    expect(wrong({ unet: { halvings: 9 } })).toEqual([]);
    expect(wrong({ unet: { halvings: 10 } })).toEqual([
      'unet/config.json: block_out_channels, 2 to the number of halvings: at most 512 latent pixels (4096 pixels) a side, not 1024',
    ]);
  });
});

describe('the pixels of a latent pixel', () => {
  const sized = (latent: number, pixels: number, vae: Changes['vae'] = { factor: null }): Changes => ({
    sample: [1, 4, latent, latent],
    output: [1, 4, latent, latent],
    latents: [1, 4, latent, latent],
    image: [1, 3, pixels, pixels],
    vae,
  });

  it('are measured, or as the configuration says, or 8', () => {
    expect(agreed(sized(8, 128)).result.vaeFactor).toBe(16);
    expect(agreed(sized(8, 8)).result.vaeFactor).toBe(1);
    expect(agreed({ vae: { factor: 4 } }).result.vaeFactor).toBe(4);
    expect(agreed({ vae: { factor: null } }).result.vaeFactor).toBe(8);
    // An image of which one side is fixed and its latents are not says nothing.
    expect(agreed({ image: [1, 3, 64, 64], vae: { factor: null } }).result.vaeFactor).toBe(8);
  });

  it('are the same along both sides, and as the configuration says', () => {
    const uneven = { ...sized(8, 64), image: [1, 3, 64, 32] as Shape };
    expect(wrong(uneven)).toEqual([`pixels for a latent pixel: one number, not 8 in ${VAE} height, 4 in ${VAE} width`]);
    expect(wrong(sized(8, 64, { factor: 4 }))[0]).toContain('4 in the autoencoder config.json');
  });

  it.each([
    [8, 12, '1.5'],
    [8, 4, '0.5'],
  ])('are a whole number: latents of %i do not make an image of %i', (latent, pixels, received) => {
    const { result, wrong } = agreed(sized(latent, pixels));
    expect(wrong).toEqual([`${VAE}: a whole number of pixels for a latent pixel, not ${received}`]);
    expect(result.vaeFactor).toBe(8);
  });
});

describe('what must be fixed', () => {
  const open: Shape = [null, null, null, null];
  it('is the number of latent channels', () => {
    const dynamic = { sample: open, output: open, latents: open, unet: { inChannels: null } };
    expect(agreed({ ...dynamic, vae: { latentChannels: null } })).toMatchObject({
      result: { latentChannels: 0 },
      wrong: [`${UNET}: a fixed number of latent channels, not a dynamic one`],
    });
    expect(agreed(dynamic)).toMatchObject({ result: { latentChannels: 4 }, wrong: [] });
  });

  it('is the width of a guidance embedding, where there is one', () => {
    expect(agreed({ cond: [null, 256] }).result.guidanceWidth).toBe(256);
    expect(agreed({ cond: [null, null], unet: { timeCondProjDim: 9 } }).result.guidanceWidth).toBe(9);
    expect(agreed({ unet: { timeCondProjDim: 9 } })).toMatchObject({ result: { guidanceWidth: null }, wrong: [] });
    expect(wrong({ cond: [null, null] })).toEqual([
      `${UNET}: a fixed width of the guidance embedding, not a dynamic one`,
    ]);
  });
});

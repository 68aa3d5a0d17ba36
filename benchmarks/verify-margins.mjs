// How far `t2i verify` is from being wrong: the same image, drawn with other threads and by the fp16 graphs (which round as a GPU
// does), against the nearest other seed and the smallest edits, in every format and quality. Prints JSON.
//
//     node benchmarks/verify-margins.mjs [--model DIR] [--seeds 6] [--steps 30] [--qualities 80,90] [--quick]
//
// Every number is a share of the bound that is nearest to being exceeded: the same image must stay below 1, everything else above.
// `same` is the largest of all pairs, `seeds` and the edits are the smallest.
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeImage, readImageHeader } from '../dist/image/decode.js';
import { encodeImage, encodeLossy } from '../dist/image/encode.js';
import { Pipeline } from '../dist/index.js';
import { describeMachine } from '../dist/pipeline/machine.js';
import { compareWithFile } from '../dist/verify/compare-with-file.js';

const PROMPTS = [
  'a red apple on a blue background',
  'a sunflower',
  'a red rose with water droplets on its petals',
  'two cats on a grassy meadow',
  'a blue umbrella in the snow',
  'a white daisy on a white background',
  'a black cat on a black background',
  'a purple tulip',
];
const QUALITIES = [10, 30, 50, 75, 80, 90, 95, 100];
const FORMATS = { jpeg: '4:4:4', 'jpeg 4:2:0': '4:2:0', webp: '4:4:4' };

/** Changes that a person could make, each in the middle of the image and across the borders of the codecs' blocks. */
const EDITS = {
  'black 10x10': (image) => paint(image, 10, () => 0),
  'black 4x4': (image) => paint(image, 4, () => 0),
  '20 levels in 8x8': (image) => paint(image, 8, (value) => (value > 235 ? value - 20 : value + 20)),
  'one pixel inverted': (image) => paint(image, 1, (value) => (value < 128 ? 255 : 0)),
};

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    seeds: { type: 'string', default: '6' },
    steps: { type: 'string' },
    qualities: { type: 'string' },
    quick: { type: 'boolean' },
  },
});
const prompts = values.quick ? PROMPTS.slice(0, 2) : PROMPTS;
const qualities = values.qualities?.split(',').map(Number) ?? (values.quick ? [50, 90] : QUALITIES);
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);
// For the copy as well, which has no manifest.
let defaults = {};
const images = await drawAll();
const results = { lossless: await measure((image) => encodeImage(image, null)) };
for (const [name, chromaSubsampling] of Object.entries(FORMATS)) {
  const format = name.split(' ')[0];
  for (const quality of qualities) {
    results[`${name}, quality ${quality}`] = await measure((image) =>
      encodeLossy(image, { format, quality, chromaSubsampling }),
    );
    process.stderr.write(`${name} ${quality}\n`);
  }
}
process.stdout.write(
  `${JSON.stringify({ machine: describeMachine(), prompts, seeds: seeds.length, results }, null, 1)}\n`,
);

/** One list for each prompt: the seeds' images with one thread, and the first seed's as others draw it. */
async function drawAll() {
  const own = await draw({ threads: 1 }, seeds);
  const others = [];
  for (const threads of [2, 4]) others.push(await draw({ threads }, [seeds[0]]));
  const half = await halfPrecision();
  if (half !== null) {
    others.push(await draw({ model: half }, [seeds[0]]));
    await rm(half, { recursive: true });
  }
  return prompts.map((_, at) => ({ own: own[at], same: others.map((list) => list[at][0]) }));
}

async function draw(options, which) {
  const t2i = await Pipeline.load({ model: values.model, backend: 'onnxruntime', ...options });
  defaults = t2i.model.manifest?.defaults ?? defaults;
  const lists = [];
  const request = { ...defaults, ...(values.steps && { steps: Number(values.steps) }) };
  for (const prompt of prompts) lists.push((await t2i.generate({ prompt, seeds: which, ...request })).images);
  await t2i.close();
  process.stderr.write(`drew with ${JSON.stringify(options)}\n`);
  return lists;
}

/** A copy of the model whose graphs are those for fp16, which the caller removes; null where the model has none. */
async function halfPrecision() {
  const t2i = await Pipeline.load({ model: values.model, backend: 'onnxruntime' });
  const { dir } = t2i.model;
  await t2i.close();
  if (!existsSync(join(dir, 'unet', 'model.fp16.onnx'))) return null;
  const copy = await mkdtemp(join(tmpdir(), 't2i-half-'));
  await cp(dir, copy, { recursive: true });
  await rm(join(copy, 't2i.json'), { force: true });
  for (const network of ['text_encoder', 'unet', 'vae_decoder']) {
    await cp(join(copy, network, 'model.fp16.onnx'), join(copy, network, 'model.onnx'));
  }
  return copy;
}

async function measure(encode) {
  const result = { same: 0, seeds: Infinity };
  for (const { own, same } of images) {
    const [first] = own;
    for (const image of same) result.same = Math.max(result.same, await used(first, await encode(image)));
    for (const [at, image] of own.entries()) {
      const file = await encode(image);
      for (const other of own.slice(at + 1)) result.seeds = Math.min(result.seeds, await used(other, file));
    }
    for (const [name, edit] of Object.entries(EDITS)) {
      result[name] = Math.min(result[name] ?? Infinity, await used(first, await encode(edit(first))));
    }
  }
  return Object.fromEntries(Object.entries(result).map(([name, share]) => [name, Number(share.toFixed(2))]));
}

/** Share of the nearest bound that a file uses beside the image made again. */
async function used(again, bytes) {
  const file = { bytes, header: await readImageHeader(bytes), pixels: await decodeImage(bytes) };
  const { direct, encodedAlike, bounds } = await compareWithFile(again, file);
  return Math.max(...Object.entries(bounds).map(([name, bound]) => (encodedAlike ?? direct)[name] / bound));
}

function paint({ rgb, width, height }, side, change) {
  const edited = Uint8Array.from(rgb);
  const [left, top] = [(width >> 1) - 2, (height >> 1) - 2];
  for (let y = top; y < top + side; y++) {
    for (let i = (y * width + left) * 3; i < (y * width + left + side) * 3; i++) edited[i] = change(edited[i]);
  }
  return { rgb: edited, width, height };
}

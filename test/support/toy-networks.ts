import { readFileSync } from 'node:fs';
import type { Job, NetworkName, NetworkReference, NetworkTensor, Raster } from '../../src/backends/backend.js';
import { toRaster } from '../../src/backends/onnxruntime/vae-decoder.js';
import { fromHalf, writeHalves } from '../../src/diffusion/float16.js';
import { denoise } from '../../src/diffusion/loop.js';
import { ImageNoise } from '../../src/diffusion/noise.js';
import { guide } from '../../src/diffusion/step.js';
import { roundHalfEven } from '../../src/diffusion/timesteps.js';
import type { ModelDescription, TensorInfo } from '../../src/model/description.js';

// Twins of test/native/fake/common/toy_network.cc: what the stand-in TensorRT computes, bit for bit.

const f32 = Math.fround;

/** The images of a job by the toy networks of a model, computed by the loop of this package. */
export async function toyImages(model: ModelDescription, job: Job): Promise<Raster[]> {
  const { latentHeight: height, latentWidth: width, plan, guidance } = job;
  const shape = [model.latentChannels, height, width];
  const latentSize = model.latentChannels * height * width;
  const conditional = toyStates(model, job.promptIds);
  const negative = guidance && { ...guidance, states: toyStates(model, guidance.negativeIds) };
  const images: Raster[] = [];
  for (const seed of job.seeds) {
    const noise = new ImageNoise(seed, latentSize);
    const latents = await denoise({
      plan,
      drawNoise: () => noise.next(),
      predict: async (x, timestep) => {
        const outputFor = (states: Float32Array) => toyUnet(model, x, shape, timestep, states, job.guidanceEmbedding);
        if (negative === null) return outputFor(conditional);
        const out = outputFor(negative.states);
        guide(out, outputFor(conditional), negative.scale);
        return out;
      },
    });
    const [scale, shift] = [f32(model.scalingFactor), f32(model.shiftFactor)];
    const image = toyDecoder(
      model,
      latents.map((value) => f32(f32(value / scale) + shift)),
      shape,
    );
    images.push(toRaster(image, width * model.vaeFactor, height * model.vaeFactor));
  }
  return images;
}

/** The toy networks as what engines of the stand-in are measured against. */
export const toyReference: NetworkReference = {
  runtime: 'toy 1.0',
  async run(model, network, inputs) {
    const named = (info: TensorInfo) => inputs[info.name] as NetworkTensor;
    const { textEncoder, unet, vaeDecoder } = model;
    if (network === 'textEncoder') {
      const { shape, data } = named(textEncoder.ids);
      const [batch = 1, context = 1] = shape;
      const states = rows(batch, (row) =>
        toyStates(model, Int32Array.from(data.subarray(row * context, (row + 1) * context))),
      );
      return { [textEncoder.states.name]: { shape: [batch, model.statesPerPrompt, widthOf(model)], data: states } };
    }
    if (network === 'unet') {
      const [sample, timestep, states] = [named(unet.sample), named(unet.timestep), named(unet.encoderHiddenStates)];
      const [batch = 1, ...shape] = sample.shape;
      const [size, text] = [sample.data.length / batch, states.data.length / batch];
      const guidance = unet.timestepCond && named(unet.timestepCond);
      const data = rows(batch, (row) =>
        toyUnet(
          model,
          sample.data.subarray(row * size, (row + 1) * size),
          shape,
          timestep.data[timestep.data.length === 1 ? 0 : row] as number,
          states.data.subarray(row * text, (row + 1) * text),
          guidance ? guidance.data.subarray(0, guidance.shape[1]) : null,
        ),
      );
      return { [unet.output.name]: { shape: sample.shape, data } };
    }
    const { shape, data } = named(vaeDecoder.latents);
    const [batch = 1, ...latents] = shape;
    const size = data.length / batch;
    const image = rows(batch, (row) => toyDecoder(model, data.subarray(row * size, (row + 1) * size), latents));
    const [height, width] = [1, 2].map((axis) => (latents[axis] as number) * model.vaeFactor) as [number, number];
    return { [vaeDecoder.image.name]: { shape: [batch, 3, height, width], data: image } };
  },
};

/** @returns [states, width] of one prompt: where there are more states than ids, the ids in turn */
function toyStates(model: ModelDescription, ids: Int32Array): Float32Array {
  const s = saltOf(model, 'textEncoder');
  const width = widthOf(model);
  const states = Float32Array.from({ length: model.statesPerPrompt * width }, (_, i) => {
    const [id, d] = [ids[Math.floor(i / width) % ids.length] as number, i % width];
    return f32(f32(((id * 31 + d * 7 + s) % 64) / 64) - 0.5);
  });
  return store(store(states, model.textEncoder.states), model.unet.encoderHiddenStates);
}

/** @param shape [channels, height, width] */
function toyUnet(
  model: ModelDescription,
  x: Float32Array,
  shape: readonly number[],
  timestep: number,
  states: Float32Array,
  guidance: Float32Array | null,
): Float32Array {
  const { sample, timestep: time, timestepCond, output } = model.unet;
  const fixed = sample.shape.slice(1);
  if (fixed.some((size, axis) => size !== null && size !== shape[axis])) throw new Error(`the UNet takes [${fixed}]`);
  const salt = f32(saltOf(model, 'unet') / 1024);
  const pull = f32((store(Float32Array.of(timestep), time)[0] as number) / 1000);
  const stored = store(x, sample);
  const told = guidance && timestepCond && store(guidance, timestepCond);
  const out = stored.map((value, i) => {
    const sum = f32(f32(value * 0.5) + f32((states[i % states.length] as number) * pull));
    const steered = told ? f32(sum + (told[i % told.length] as number)) : sum;
    return f32(steered + salt);
  });
  return store(out, output);
}

/** @param shape [channels, height, width] @returns [3, height * factor, width * factor] */
function toyDecoder(model: ModelDescription, latents: Float32Array, shape: readonly number[]): Float32Array {
  const [channels, height, width] = shape as [number, number, number];
  const factor = model.vaeFactor;
  const salt = f32(saltOf(model, 'vaeDecoder') / 1024);
  const stored = store(latents, model.vaeDecoder.latents);
  const [rowsOut, columns] = [height * factor, width * factor];
  const image = Float32Array.from({ length: 3 * rowsOut * columns }, (_, i) => {
    const [column, row, colour] = [i % columns, Math.floor(i / columns) % rowsOut, Math.floor(i / columns / rowsOut)];
    const y = (colour % channels) * height + Math.floor(row / factor);
    return f32(f32((stored[y * width + Math.floor(column / factor)] as number) * 0.25) + salt);
  });
  return store(image, model.vaeDecoder.image);
}

/** Numbers as a tensor of the graph holds them. */
function store(values: Float32Array, { type }: TensorInfo): Float32Array {
  if (type === 'float32') return values;
  if (type !== 'float16') return values.map(roundHalfEven);
  const halves = new Uint16Array(values.length);
  writeHalves(halves, values, 0);
  return Float32Array.from(halves, fromHalf);
}

function rows(batch: number, row: (index: number) => Float32Array): Float32Array {
  return Float32Array.from(Array.from({ length: batch }, (_, index) => [...row(index)]).flat());
}

function widthOf(model: ModelDescription): number {
  const width = model.textEncoder.states.shape[2] ?? model.unet.encoderHiddenStates.shape[2];
  if (!width) throw new Error('neither graph says how wide the states are');
  return width;
}

const salts = new Map<string, number>();

/** The lowest four bits of the FNV-1a hash of the graph's file: two files are two networks. */
function saltOf(model: ModelDescription, network: NetworkName): number {
  const { path } = model[network];
  const salt = salts.get(path) ?? fnv1a(readFileSync(path)) & 15;
  salts.set(path, salt);
  return salt;
}

/** Fowler, Noll and Vo's hash, 32 bits, variant 1a. */
export function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

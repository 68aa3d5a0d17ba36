/**
 * The tiny model on the simulated device: engines of the stand-in TensorRT, a session and jobs. Plain JavaScript, since the scripts that
 * are started as processes and worker threads of their own use it too. T2I_TEST_BUILD names the build: `sim`, `asan` or a path.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const BUILD = resolve(ROOT, 'build', process.env.T2I_TEST_BUILD ?? 'sim');
export const LIBRARY = join(BUILD, 'fake-10', 'libnvinfer.so.10');
const CHANNELS = 4;
const CONTEXT = 16;

/**
 * @typedef {object} Sim
 * @property {(n: number, kind: 'none' | 'out_of_memory' | 'launch' | 'sticky') => void} failCall the n-th call of the device fails
 * @property {() => number} calls of the device since then
 * @property {(name: string) => number} callsOf the same of one function of native/cuda/device.h
 * @property {() => number} allocated bytes of the process that came from malloc
 * @property {() => number} live device objects
 * @property {() => number} externalMemory bytes that V8 was told of
 * @property {(library: string, name: string) => number} counterOf what a stand-in for TensorRT exports, for example `fake_deserialisations`
 * @property {() => number} overrun reads beyond its memory
 */

const FILE = join(BUILD, 'Release', 't2i.node');
/** @type {import('../../src/backends/tensorrt/native.js').NativeAddon & { sim: Sim }} null where the build is missing */
export const addon = existsSync(FILE) ? createRequire(import.meta.url)(FILE) : null;

/** Profile from one image to four, without and with guidance, of 2x2 to 16x16 latents. */
const PROFILES = {
  text_encoder: { input_ids: [[1], [CONTEXT]] },
  unet: { sample: [[1], [CHANNELS, 2, 2], [CHANNELS, 16, 16]], encoder_hidden_states: [[1], [CONTEXT, 16]] },
  vae_decoder: { latents: [[1], [CHANNELS, 2, 2], [CHANNELS, 16, 16]] },
};

/**
 * What buildEngine is told for one network of test/fixtures/tiny.
 *
 * @param {'text_encoder' | 'unet' | 'vae_decoder'} network
 */
export function buildOptions(network, library = LIBRARY) {
  const profiles = Object.entries(PROFILES[network]).map(([input, [batch, smallest, largest = smallest]]) => ({
    input,
    min: [...batch, ...smallest],
    opt: [2, ...largest],
    max: [8, ...largest],
  }));
  return {
    library,
    device: 0,
    onnx: join(ROOT, 'test/fixtures/tiny', network, 'model.onnx'),
    profiles,
    computeCapabilities: [],
    timingCache: null,
    workspaceBytes: 0,
  };
}

/** @type {import('../../src/backends/tensorrt/native.js').NativeSessionOptions['engines'] | null} */
let engines = null;

/** What Session.open is told; engines are built once. */
export async function sessionOptions(library = LIBRARY) {
  /** @param {'text_encoder' | 'unet' | 'vae_decoder'} network */
  const engine = async (network) => (await addon.buildEngine(buildOptions(network, library), null, null)).serialized;
  engines ??= {
    textEncoder: await engine('text_encoder'),
    unet: await engine('unet'),
    vaeDecoder: await engine('vae_decoder'),
  };
  /** @param {Uint8Array} bytes */
  const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
  const { textEncoder, unet, vaeDecoder } = engines;
  const engineHashes = { textEncoder: hash(textEncoder), unet: hash(unet), vaeDecoder: hash(vaeDecoder) };
  const runtimeCaches = { textEncoder: null, unet: null, vaeDecoder: null };
  return { device: 0, library, engines, engineHashes, runtimeCaches, model: MODEL, useGraph: true };
}

export const MODEL = {
  latentChannels: CHANNELS,
  vaeFactor: 8,
  scalingFactor: 0.18215,
  shiftFactor: 0,
  contextLength: CONTEXT,
  guidanceWidth: null,
  textEncoder: { ids: 'input_ids', attentionMask: null, states: 'last_hidden_state' },
  unet: {
    sample: 'sample',
    timestep: 'timestep',
    states: 'encoder_hidden_states',
    timestepCond: null,
    output: 'out_sample',
  },
  vaeDecoder: { latents: 'latents', image: 'image' },
};

export async function openTiny() {
  return addon.Session.open(await sessionOptions());
}

/** A job of `steps` plain steps, x' = x0 + eps / 2, on latents of `side` by `side`; `seed` makes its noise and its words. */
export function tinyJob({ steps = 3, seed = 1, side = 4, images = 1, previewEvery = 0 } = {}) {
  const size = CHANNELS * side * side;
  const random = generator(seed);
  const promptIds = Int32Array.from({ length: CONTEXT }, () => Math.floor(random() * 600));
  const negativeIds = new Int32Array(CONTEXT);
  return {
    guidanceScale: 5,
    guidanceEmbedding: null,
    plan: {
      steps,
      timesteps: Float32Array.from({ length: steps }, (_, i) => 900 - (900 * i) / steps),
      rows: Float32Array.from({ length: steps * 8 }, (_, i) => [0.9, -0.1, 0.1, 0.9, 0.8, 0.2, 0, 0][i % 8]),
      clip: null,
      initScale: 1,
    },
    latentHeight: side,
    latentWidth: side,
    images: Array.from({ length: images }, () => ({
      promptIds,
      negativeIds,
      noise: Float32Array.from({ length: size }, () => random() * 2 - 1),
    })),
    previewEvery,
  };
}

/**
 * Keeps JavaScript busy until something happened elsewhere.
 *
 * @param {() => boolean} happened
 */
export function spinUntil(happened) {
  // Only so that a fault is an error instead of a hang.
  const end = Date.now() + 50_000;
  while (!happened()) if (Date.now() > end) throw new Error('it never happened');
}

/** Numbers from 0 to 1 (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

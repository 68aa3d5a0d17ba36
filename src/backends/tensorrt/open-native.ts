import { T2IError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { NetworkName } from '../backend.js';
import { readEngineFile } from './engines/engine-file.js';
import { readKernels } from './engines/kernel-cache.js';
import { KernelKeeper } from './kernel-keeper.js';
import type { NativeAddon, NativeModel } from './native.js';
import { fromNative } from './native-error.js';
import { NoiseThread } from './noise-thread.js';
import { type SessionFacts, TensorrtSession } from './session.js';

/** All that a session is opened from; plain data, which may cross to a child process. */
export interface SessionRequest {
  readonly device: number;
  /** Path of the runtime library. */
  readonly library: string;
  /** Paths of the engine files. */
  readonly files: Readonly<Record<NetworkName, string>>;
  readonly model: NativeModel;
  readonly facts: SessionFacts;
  /** Whether a captured step is replayed; else each step is queued by itself. */
  readonly useGraph: boolean;
}

/**
 * Opens a session in this process. The hashes of the engine files are checked again while they are read.
 *
 * @throws T2IError ENGINE_INVALID, OUT_OF_MEMORY, BACKEND_FAILED, BACKEND_UNAVAILABLE, DEVICE_LOST
 */
export async function openNative(addon: NativeAddon, request: SessionRequest): Promise<TensorrtSession> {
  const { device, library, model, facts, useGraph } = request;
  const engines = {
    textEncoder: await readEngine(request, 'textEncoder'),
    unet: await readEngine(request, 'unet'),
    vaeDecoder: await readEngine(request, 'vaeDecoder'),
  };
  const kernels = (network: NetworkName) => readKernels(request.files[network], facts.engines[network]);
  const runtimeCaches = {
    textEncoder: await kernels('textEncoder'),
    unet: await kernels('unet'),
    vaeDecoder: await kernels('vaeDecoder'),
  };
  try {
    const native = await addon.Session.open({
      device,
      library,
      engines,
      engineHashes: facts.engines,
      runtimeCaches,
      model,
      useGraph,
    });
    const keeper = new KernelKeeper(native, request.files, facts.engines, runtimeCaches);
    return new TensorrtSession(native, facts, model.latentChannels, keeper, new NoiseThread());
  } catch (error) {
    throw fromNative(error);
  }
}

/** A serialized engine, which must be the one that the request was made for: receipts name it. */
async function readEngine({ files, facts }: SessionRequest, network: NetworkName): Promise<Uint8Array> {
  const { header, serialized } = await readEngineFile(files[network]);
  if (header.serialized.sha256 === facts.engines[network]) return serialized;
  throw new T2IError('ENGINE_INVALID', `${files[network]}: another engine was put in its place since it was checked.`, {
    hint: 'Load the pipeline again.',
  });
}

/** What the native pipeline must know of a model. */
export function nativeModel(model: ModelDescription): NativeModel {
  const { textEncoder, unet, vaeDecoder } = model;
  return {
    latentChannels: model.latentChannels,
    vaeFactor: model.vaeFactor,
    scalingFactor: model.scalingFactor,
    shiftFactor: model.shiftFactor,
    contextLength: model.tokenizer.contextLength,
    guidanceWidth: model.guidanceWidth,
    textEncoder: {
      ids: textEncoder.ids.name,
      attentionMask: textEncoder.attentionMask?.name ?? null,
      states: textEncoder.states.name,
    },
    unet: {
      sample: unet.sample.name,
      timestep: unet.timestep.name,
      states: unet.encoderHiddenStates.name,
      timestepCond: unet.timestepCond?.name ?? null,
      output: unet.output.name,
    },
    vaeDecoder: { latents: vaeDecoder.latents.name, image: vaeDecoder.image.name },
  };
}

import { guidanceEmbedding } from '../../../diffusion/guidance-embedding.js';
import { TorchGenerator } from '../../../diffusion/torch-generator.js';
import type { ModelDescription, TensorInfo } from '../../../model/description.js';
import { invalidModel } from '../../../model/problems.js';
import { loadTokenizer } from '../../../model/tokenizer.js';
import type { NetworkName, NetworkReference, NetworkTensor } from '../../backend.js';
import { type EngineProfile, inputShape } from './profiles.js';

/** Any prompt of a few words will do, as long as it stays the same. */
const PROMPT = 'a photo of a red apple on a wooden table';
const SEED = 0;
const GUIDANCE_SCALE = 7.5;

export type NamedTensors = Readonly<Record<string, NetworkTensor>>;

/**
 * What an engine and its reference are compared on, at the profile's most usual shape: a fixed prompt for the text encoder; latents of
 * seed 0, a timestep in the middle of the schedule and the reference's states of the empty and the fixed prompt for the UNet;
 * unit normal latents, unscaled as a finished image's are, for the decoder.
 */
export async function checkInputs(
  model: ModelDescription,
  network: NetworkName,
  profile: EngineProfile,
  reference: NetworkReference,
  signal: AbortSignal,
): Promise<NamedTensors> {
  const shaped = (info: TensorInfo) => inputShape(model, network, info, profile, 'opt');
  switch (network) {
    case 'textEncoder':
      return textInputs(model, await tokenIds(model, PROMPT), shaped(model.textEncoder.ids));
    case 'unet': {
      const { sample, timestep, encoderHiddenStates, timestepCond } = model.unet;
      const middle = Math.floor(model.scheduler.numTrainTimesteps / 2);
      return {
        [sample.name]: normal(shaped(sample)),
        [timestep.name]: repeat([Float32Array.of(middle)], shaped(timestep)),
        [encoderHiddenStates.name]: repeat(
          await promptStates(model, profile, reference, signal),
          shaped(encoderHiddenStates),
        ),
        ...(timestepCond && {
          [timestepCond.name]: repeat(
            [guidanceEmbedding(GUIDANCE_SCALE, model.guidanceWidth as number)],
            shaped(timestepCond),
          ),
        }),
      };
    }
    case 'vaeDecoder': {
      const { latents } = model.vaeDecoder;
      const { shape, data } = normal(shaped(latents));
      const unscaled = data.map((value) => value / model.scalingFactor + model.shiftFactor);
      return { [latents.name]: { shape, data: unscaled } };
    }
  }
}

/** States of the empty prompt and of the fixed one, as guidance puts them beside each other. */
async function promptStates(
  model: ModelDescription,
  profile: EngineProfile,
  reference: NetworkReference,
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const shape = inputShape(model, 'textEncoder', model.textEncoder.ids, profile, 'opt');
  const rows: Float32Array[] = [];
  for (const prompt of ['', PROMPT]) {
    const inputs = textInputs(model, await tokenIds(model, prompt), shape);
    const outputs = await reference.run(model, 'textEncoder', inputs, signal);
    const tensor = outputs[model.textEncoder.states.name] as NetworkTensor;
    const [, states = 0] = tensor.shape;
    if (states !== model.statesPerPrompt) {
      const expected = `${model.statesPerPrompt} text states of a prompt, as the graphs say or one a token`;
      throw invalidModel('text_encoder/model.onnx', expected, String(states));
    }
    // A graph that fixes a larger batch repeats the prompt; one row of it is enough.
    rows.push(tensor.data.slice(0, tensor.data.length / (shape[0] as number)));
  }
  return rows;
}

function textInputs(model: ModelDescription, ids: Float32Array, shape: readonly number[]): NamedTensors {
  const { ids: input, attentionMask } = model.textEncoder;
  return {
    [input.name]: repeat([ids], shape),
    ...(attentionMask && { [attentionMask.name]: repeat([Float32Array.of(1)], shape) }),
  };
}

async function tokenIds(model: ModelDescription, prompt: string): Promise<Float32Array> {
  return Float32Array.from((await loadTokenizer(model)).encode(prompt).ids);
}

function normal(shape: readonly number[]): NetworkTensor {
  return { shape, data: new TorchGenerator(SEED).randn(count(shape)) };
}

/** The rows in turn until the tensor is full. */
function repeat(rows: readonly Float32Array[], shape: readonly number[]): NetworkTensor {
  const data = new Float32Array(count(shape));
  let offset = 0;
  for (let row = 0; offset < data.length; row++) {
    const values = rows[row % rows.length] as Float32Array;
    data.set(values, offset);
    offset += values.length;
  }
  return { shape, data };
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

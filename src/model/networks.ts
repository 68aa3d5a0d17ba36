import type { ModelDescription, NetworkName, TensorInfo } from './description.js';

/** The tensors that a network is run with, as its graph declares them. */
export interface NetworkTensors {
  readonly inputs: readonly TensorInfo[];
  readonly output: TensorInfo;
}

export function tensorsOf(model: ModelDescription, network: NetworkName): NetworkTensors {
  const { textEncoder, unet, vaeDecoder } = model;
  switch (network) {
    case 'textEncoder': {
      const { ids, attentionMask, states } = textEncoder;
      return { inputs: attentionMask ? [ids, attentionMask] : [ids], output: states };
    }
    case 'unet': {
      const { sample, timestep, encoderHiddenStates, timestepCond, output } = unet;
      const inputs = [sample, timestep, encoderHiddenStates];
      return { inputs: timestepCond ? [...inputs, timestepCond] : inputs, output };
    }
    case 'vaeDecoder':
      return { inputs: [vaeDecoder.latents], output: vaeDecoder.image };
  }
}

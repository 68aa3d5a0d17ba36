import type { ModelDescription, TensorInfo } from '../../../model/description.js';
import type { NetworkName } from '../../backend.js';

/** What an engine is of: the folder of the network in the model directory. */
export type Component = 'text_encoder' | 'unet' | 'vae_decoder';

/** In the order in which engines are built: the small ones say early what is wrong. */
export const NETWORKS: readonly NetworkName[] = ['textEncoder', 'vaeDecoder', 'unet'];

const COMPONENTS: Readonly<Record<NetworkName, Component>> = {
  textEncoder: 'text_encoder',
  unet: 'unet',
  vaeDecoder: 'vae_decoder',
};

export function componentOf(network: NetworkName): Component {
  return COMPONENTS[network];
}

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
    case 'unet':
      return { inputs: [unet.sample, unet.timestep, unet.encoderHiddenStates], output: unet.output };
    case 'vaeDecoder':
      return { inputs: [vaeDecoder.latents], output: vaeDecoder.image };
  }
}

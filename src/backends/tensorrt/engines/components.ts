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

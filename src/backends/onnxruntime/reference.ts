import type { NetworkReference, NetworkTensor } from '../backend.js';
import { callOnce } from '../process/call-once.js';
import { type NetworkRequest, ONNXRUNTIME } from './child-calls.js';
import { runtimeVersion } from './runtime.js';

/** Each run in a child process of its own: engines are compared once, when they are built. */
export const onnxruntimeReference: NetworkReference = {
  get runtime() {
    return runtimeVersion();
  },

  async run(model, network, inputs, signal) {
    const request: NetworkRequest = { model, network, inputs };
    const outputs = await callOnce(ONNXRUNTIME, signal, (child) => child.call('runNetwork', request));
    return outputs as Readonly<Record<string, NetworkTensor>>;
  },
};

import type { NetworkReference, NetworkTensor } from '../backend.js';
import { RuntimeProcess } from '../process/runtime-process.js';
import { type NetworkRequest, ONNXRUNTIME } from './child-calls.js';
import { runtimeVersion } from './runtime.js';

/** Each run in a child process of its own: engines are compared once, when they are built. */
export const onnxruntimeReference: NetworkReference = {
  get runtime() {
    return runtimeVersion();
  },

  async run(model, network, inputs) {
    const process = new RuntimeProcess(ONNXRUNTIME);
    try {
      await process.ready();
      const request: NetworkRequest = { model, network, inputs };
      return (await process.call('runNetwork', request)) as Readonly<Record<string, NetworkTensor>>;
    } finally {
      await process.stop();
    }
  },
};

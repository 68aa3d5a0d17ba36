import type { NetworkReference } from '../backend.js';
import { callOnce } from '../process/call-once.js';
import { ONNXRUNTIME } from './child-calls.js';
import { runtimeVersion } from './runtime.js';

/** Each run in a child process of its own: engines are compared once, when they are built. */
export const onnxruntimeReference: NetworkReference = {
  get runtime() {
    return runtimeVersion();
  },

  run(model, network, inputs, signal) {
    return callOnce(ONNXRUNTIME, (child) => child.call('runNetwork', { model, network, inputs }), signal);
  },
};

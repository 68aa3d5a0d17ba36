import type { Backend, NetworkReference } from '../backend.js';
import { describeLibrary } from './libraries.js';
import { findMachine, orThrow } from './machine.js';

/**
 * Runs models on an NVIDIA GPU: a whole request on one native thread and one CUDA stream.
 *
 * @param reference what engines are compared with when they are built
 */
export function createTensorrt(reference: NetworkReference): Backend {
  return {
    name: 'tensorrt',

    async probe(options = {}) {
      const machine = await findMachine(options);
      if ('reason' in machine) return { available: false, ...machine };
      const { library, device } = machine;
      return { available: true, detail: `${describeLibrary(library)} on ${device.name}` };
    },

    async open(model, options = {}) {
      const machine = orThrow(await findMachine(options));
      // Loaded here: it is not for programs that never open a model on a GPU.
      const { openSession } = await import('./open-session.js');
      return openSession(reference, model, machine, options);
    },
  };
}

import { T2IError } from '../../errors.js';
import type { Backend } from '../backend.js';
import { RuntimeProcess } from '../process/runtime-process.js';
import { ONNXRUNTIME } from './child-calls.js';
import { runtimeVersion } from './runtime.js';
import { openSession } from './session.js';

/** Runs models on any CPU, in a child process that stays warm for as long as the session is open. */
export const onnxruntime: Backend = {
  name: 'onnxruntime',

  async probe({ signal } = {}) {
    const process = new RuntimeProcess(ONNXRUNTIME);
    try {
      await process.stoppedBy(signal, () => process.ready());
      return { available: true, detail: `${runtimeVersion()} on the CPU` };
    } catch (error) {
      if (!T2IError.is(error)) throw error;
      return { available: false, reason: error.message, hint: error.hint ?? '' };
    } finally {
      await process.stop();
    }
  },

  open(model, options = {}) {
    return openSession(model, options.threads, options.signal);
  },
};

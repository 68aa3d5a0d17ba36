import { createRequire } from 'node:module';
import { T2IError } from '../../errors.js';
import type { Backend } from '../backend.js';
import { RuntimeProcess } from './runtime-process.js';
import { OnnxruntimeSession } from './session.js';

/** Runs models on any CPU, in a child process that stays warm for as long as the session is open. */
export const onnxruntime: Backend = {
  name: 'onnxruntime',

  runtimeVersion() {
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    return `onnxruntime-node ${version}`;
  },

  async probe() {
    const process = new RuntimeProcess();
    try {
      await process.ready();
      return { available: true, detail: `${onnxruntime.runtimeVersion()} on the CPU` };
    } catch (error) {
      if (!T2IError.is(error)) throw error;
      return { available: false, reason: error.message, hint: error.hint ?? '' };
    } finally {
      await process.stop();
    }
  },

  open(model, options = {}) {
    return OnnxruntimeSession.open(model, options.threads);
  },
};

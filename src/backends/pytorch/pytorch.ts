import { T2IError } from '../../errors.js';
import type { Backend } from '../backend.js';
import { findInterpreter } from './interpreter.js';
import { openSession } from './session.js';

/**
 * Runs models in PyTorch, for those who develop them: weights as they are trained and exchanged, without an export, in a child
 * process of Python. Slow to start, so `auto` never takes it.
 */
export const pytorch: Backend = {
  name: 'pytorch',
  onlyByName: true,
  weights: 'safetensors',

  async probe({ python, signal } = {}) {
    try {
      const { path, versions } = await findInterpreter(python, signal);
      return { available: true, detail: `torch ${versions.torch}, diffusers ${versions.diffusers} of ${path}` };
    } catch (error) {
      if (!T2IError.is(error)) throw error;
      return { available: false, reason: error.message, hint: error.hint ?? '' };
    }
  },

  open(model, options = {}) {
    return openSession(model, options);
  },
};

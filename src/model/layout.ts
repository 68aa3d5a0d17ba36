import { T2IInternalError } from '../errors.js';
import type { ModelDescription } from './description.js';
import { ModelFiles } from './model-files.js';

/**
 * Reads and checks a model directory (diffusers' layout with one `model.onnx` in each of text_encoder/, unet/ and
 * vae_decoder/) without running anything of it and without writing.
 * @throws T2IError MODEL_NOT_FOUND, or MODEL_INVALID with every contradiction at once.
 */
export async function describeModel(dir: string): Promise<ModelDescription> {
  await ModelFiles.open(dir);
  throw new T2IInternalError('The reader of model directories follows in the next commit.');
}

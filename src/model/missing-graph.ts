import { posix } from 'node:path';
import type { T2IError } from '../errors.js';
import type { ModelFiles } from './model-files.js';
import { invalidModel } from './problems.js';

const PYTORCH = ['.safetensors', '.bin', '.ckpt', '.pt', '.pth'];
const MOST_NAMES = 10;

/** The error about a graph that is not there, with what lies there in its place. */
export async function missingGraph(files: ModelFiles, path: string): Promise<T2IError> {
  const folder = posix.dirname(path);
  const graphs = await files.list(['.onnx']);
  const beside = graphs.filter((other) => posix.dirname(other) === folder);
  if (graphs.length > 0) {
    const found = beside.length > 0 ? beside : graphs;
    return invalidModel(
      path,
      'a file',
      `none; other ONNX files: ${names(found)}`,
      `If one of them is it, rename it to ${path}.`,
    );
  }
  const weights = await files.list(PYTORCH);
  if (weights.length === 0) return invalidModel(path, 'a file', 'none (missing, or a link to nothing)');
  const hint = 'Export the model to ONNX first, for example with optimum-cli export onnx --model DIR OUT.';
  return invalidModel(path, 'a file', `none; PyTorch weights: ${names(weights)}`, hint);
}

/** Some of the paths, and how many more there are. */
export function names(paths: readonly string[]): string {
  const rest = paths.length - MOST_NAMES;
  return paths.slice(0, MOST_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

import { childEntry, type ProcessKind } from '../process/runtime-process.js';

/** The child that looks for libraries and that runs isolated sessions. */
export const TENSORRT_CHILD: ProcessKind = {
  entry: childEntry(import.meta.url, 'child.js'),
  runtime: 'TensorRT',
  installHint: '`t2i doctor` shows what was found and what is missing.',
};

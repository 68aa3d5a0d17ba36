import { onnxruntime } from '../../src/backends/onnxruntime/onnxruntime.js';
import { backendContract } from './backend-contract.js';

backendContract({
  name: 'onnxruntime',
  backend: onnxruntime,
  // The references were made by another version of the runtime, whose kernels may round a value to the neighbouring byte.
  tolerance: { byte: 1, share: 0.01 },
  batches: false,
});

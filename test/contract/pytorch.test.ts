import { pytorch } from '../../src/backends/pytorch/pytorch.js';
import { pythonOf } from '../support/python.js';
import { backendContract } from './backend-contract.js';

backendContract({
  name: 'pytorch',
  backend: pytorch,
  models: 'diffusers',
  open: (model) => pytorch.open(model, { threads: 1 }),
  // The references are onnxruntime's.
  tolerance: { byte: 1, share: 0.01 },
  batches: false,
  slow: true,
  lack: pythonOf('trainer/requirements.lock').lack,
});

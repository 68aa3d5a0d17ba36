/**
 * Entry of the process that runs the model. onnxruntime's `run` blocks its event loop for the whole forward, a worker thread
 * that is terminated within it aborts the process, and some model files crash it: so it gets a process of its own.
 */
import { serve } from '../process/serve.js';
import type { OnnxruntimeService } from './child-calls.js';
import { ModelRunner } from './model-runner.js';
import { runNetwork } from './run-network.js';
import { loadRuntime } from './runtime.js';

// onnxruntime's JavaScript gives fp16 tensors this type where it exists, of which its binding reads no byte in Node 24 and newer.
// Without it they are Uint16Arrays, everywhere. This process runs nothing else.
Reflect.deleteProperty(globalThis, 'Float16Array');

await serve<OnnxruntimeService>(async () => {
  const runtime = loadRuntime();
  let runner: ModelRunner;
  return {
    async load({ model, threads }, { opening }) {
      runner = await ModelRunner.load(runtime, model, threads, opening);
    },
    run: (job, { emit, signal }) => runner.run(job, emit, signal),
    runNetwork: (request, { opening }) => runNetwork(runtime, request, opening),
  };
});

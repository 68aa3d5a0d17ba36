import { afterAll, describe, expect, it } from 'vitest';
import { onnxruntimeReference } from '../../src/backends/onnxruntime/reference.js';
import { createTensorrt } from '../../src/backends/tensorrt/tensorrt.js';
import { describeModel } from '../../src/model/layout.js';
import { backendContract } from '../contract/backend-contract.js';
import { fixture } from '../contract/tiny-jobs.js';
import { ensureWideEngines } from '../support/wide-engines.js';
import { findGpuMachine, useFreshCache } from './machine.js';

const machine = await findGpuMachine();

if (machine === null) describe.skip('the contract of a backend, tensorrt on a GPU', () => it('needs a GPU', () => {}));
else {
  const { cleanUp } = useFreshCache();
  afterAll(cleanUp);

  describe('engines of the installed TensorRT', () => {
    it.each(['tiny', 'tiny-v', 'tiny-16ch', 'tiny-lcm'])(
      'of %s are built, near onnxruntime, and found again',
      async (name) => {
        const model = await describeModel(fixture(name));
        const first = await ensureWideEngines(model, onnxruntimeReference);
        for (const engine of Object.values(first.engines)) {
          expect(engine).toMatchObject({ built: true, warnings: [], header: { gpu: machine.device.name } });
          expect(engine.header.accuracy?.similarity).toBeGreaterThan(0.999);
        }
        const again = await ensureWideEngines(model, onnxruntimeReference);
        for (const engine of Object.values(again.engines)) expect(engine.built).toBe(false);
      },
    );
  });

  for (const isolation of ['none', 'process'] as const) {
    const backend = createTensorrt(onnxruntimeReference);
    backendContract({
      name: `tensorrt on ${machine.device.name}, isolation ${isolation}`,
      backend,
      // Strict: a step that cannot be captured as a graph is an error.
      async open(model) {
        await ensureWideEngines(model, onnxruntimeReference);
        return backend.open(model, { isolation, strict: true });
      },
      tolerance: { byte: 16, share: 1 },
      batches: true,
      roundsByBatch: true,
    });
  }
}

import { afterAll, describe, it } from 'vitest';
import { simTensorrt } from '../support/sim-tensorrt.js';
import { toyImages } from '../support/toy-networks.js';
import { backendContract } from './backend-contract.js';

// The whole way from a job to an image, on a simulated device and stand-ins for both major versions of TensorRT. The images are
// those of the loop in TypeScript, bit for bit.
const versions = [10, 11] as const;
const sims = versions.map((major) => ({ major, sim: simTensorrt(major) }));

for (const { major, sim } of sims) {
  if (sim === null) {
    describe.skip(`the contract of a backend, tensorrt ${major}`, () => it('needs build/sim', () => {}));
    continue;
  }
  afterAll(sim.cleanUp);
  for (const isolation of ['none', 'process'] as const) {
    backendContract({
      name: `tensorrt ${major}, isolation ${isolation}`,
      backend: sim.backend,
      async open(model) {
        sim.use();
        await sim.build(model);
        return sim.backend.open(model, { isolation, strict: true });
      },
      expected: toyImages,
      tolerance: { byte: 0, share: 0 },
      batches: true,
    });
  }
}

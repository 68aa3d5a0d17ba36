// Builds the engines of a model with the stand-in TensorRT on the simulated device, unchecked.
//
//     node ensure-engines.mjs MODEL BUILD CACHE
import { join } from 'node:path';
import { loadAddon } from '../../dist/backends/tensorrt/addon.js';
import { ensureEngines } from '../../dist/backends/tensorrt/engines/model-engines.js';
import { describeModel } from '../../dist/model/layout.js';

const [model, build, dir] = process.argv.slice(2);
const addon = loadAddon({ env: { T2I_ADDON: join(build, 'Release', 't2i.node') } });
const { engines } = await ensureEngines({
  model: await describeModel(model),
  addon,
  library: addon.addon.libraries({ only: join(build, 'fake-11') })[0],
  device: addon.addon.devices().devices[0],
  computeCapabilities: [],
  profile: null,
  dir,
  verifyEngines: true,
  timingCache: null,
  reference: null,
  signal: new AbortController().signal,
  onProgress: ({ fraction }) => process.stdout.write(`${fraction}\n`),
});
process.stdout.write(JSON.stringify(Object.values(engines).map(({ built }) => built)));

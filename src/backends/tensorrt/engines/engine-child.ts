/**
 * Entry of the process that builds engines and runs them for the first time. A build takes minutes and gigabytes, and what crashes
 * TensorRT or loses the device must not take the caller along.
 */
import { writeFile } from 'node:fs/promises';
import { cannotWrite } from '../../../files.js';
import { serve } from '../../process/serve.js';
import { loadAddon } from '../addon.js';
import { fromNative } from '../native-error.js';
import type { EngineService } from './engine-calls.js';
import { readEngineFile } from './engine-file.js';

const load = (file: string) => loadAddon({ env: { T2I_ADDON: file } }).addon;

await serve<EngineService>(async () => ({
  async build({ addon, options, output }, { signal, emit }) {
    const built = load(addon).buildEngine(options, signal, emit);
    const { serialized, timingCache, log } = await built.catch((error) => {
      throw fromNative(error, signal);
    });
    await writeFile(output, serialized, { flag: 'wx', mode: 0o600 }).catch((cause) => {
      throw cannotWrite(output, cause);
    });
    return { timingCache, log };
  },
  async run({ addon, device, library, engine, inputs }) {
    const { serialized } = await readEngineFile(engine);
    const outputs = load(addon).runEngine({ device, library, serialized }, inputs);
    return outputs.catch((error) => {
      throw fromNative(error);
    });
  },
}));

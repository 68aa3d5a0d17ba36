/**
 * Entry of the process that builds an engine. A build takes minutes and gigabytes, and what crashes TensorRT must not take the
 * caller along.
 */
import { writeFile } from 'node:fs/promises';
import { serve } from '../../process/serve.js';
import { loadAddon } from '../addon.js';
import type { NativeBuildProgress } from '../native.js';
import { fromNative } from '../native-error.js';
import type { BuildReply, BuildRequest } from './build-calls.js';

await serve(async () => ({
  async build({ addon: file, options, output }: BuildRequest, { signal, emit }): Promise<BuildReply> {
    const { addon } = loadAddon({ env: { T2I_ADDON: file } });
    const report = emit && ((progress: NativeBuildProgress) => emit(progress));
    try {
      const { plan, timingCache, log } = await addon.buildEngine(options, signal, report);
      await writeFile(output, plan, { flag: 'wx', mode: 0o600 });
      return { timingCache, log };
    } catch (error) {
      throw fromNative(error, signal);
    }
  },
}));

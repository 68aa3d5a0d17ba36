/** Entry of the process in which TensorRT's files are first opened, and in which isolated sessions run. */
import type { Session } from '../backend.js';
import { serve } from '../process/serve.js';
import { loadAddon } from './addon.js';
import type { TensorrtService } from './child-calls.js';
import { openNative } from './open-native.js';

await serve<TensorrtService>(async () => {
  const { addon } = loadAddon();
  let session: Session;
  return {
    libraries: async (search) => addon.libraries(search),
    async load(request) {
      session = await openNative(addon, request);
    },
    run: (job, { signal, emit }) => {
      const tell = emit ?? undefined;
      return session.generate(job, { signal, onStep: tell, onImage: tell });
    },
  };
});

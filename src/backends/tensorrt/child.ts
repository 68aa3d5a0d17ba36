/** Entry of the process in which TensorRT's files are first opened, and in which isolated sessions run. */
import type { Job, Session } from '../backend.js';
import { serve } from '../process/serve.js';
import { loadAddon } from './addon.js';
import type { NativeSearch } from './native.js';
import { openNative, type SessionRequest } from './open-native.js';

await serve(async () => {
  const { addon } = loadAddon();
  let session: Session;
  return {
    libraries: async (search: NativeSearch) => addon.libraries(search),
    async load(request: SessionRequest) {
      session = await openNative(addon, request);
    },
    run: (job: Job, { signal, emit }) => {
      const tell = emit ?? undefined;
      return session.generate(job, { signal, onStep: tell, onImage: tell });
    },
  };
});

/** Entry of the process in which TensorRT's files are first opened, and in which isolated sessions run. */
import type { JobResult } from '../backend.js';
import { toFailure } from '../process/failure.js';
import { serve } from '../process/serve.js';
import { loadAddon } from './addon.js';
import type { JobEvent, Outcome, TensorrtService } from './child-calls.js';
import { openNative } from './open-native.js';
import type { TensorrtSession } from './session.js';

await serve<TensorrtService>(async () => {
  const { addon } = loadAddon();
  let session: TensorrtSession;
  return {
    libraries: async (search) => addon.libraries(search),
    async load(request) {
      session = await openNative(addon, request);
      return { largestBatch: session.largestBatch };
    },
    async run(orders, { signal, emit }) {
      const outcomes = orders.map(({ job, watched }, index) => {
        const tell = watched && emit ? (event: JobEvent['event']) => emit({ index, event }) : undefined;
        return outcomeOf(session.generate(job, { signal, onStep: tell, onImage: tell }));
      });
      return Promise.all(outcomes);
    },
  };
});

function outcomeOf(result: Promise<JobResult>): Promise<Outcome> {
  return result.then(
    (value) => ({ result: value }),
    (error) => ({ failure: toFailure(error) }),
  );
}

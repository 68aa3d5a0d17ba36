/** Entry of the process that serves while the benchmark, in its own, asks: neither waits for the other's event loop. */
import { serve } from '../../backends/process/serve.js';
import type { ServingService } from './serve-subject.js';

await serve<ServingService>(async () => {
  const { createServer, listen } = await import('../../server/index.js');
  return {
    async listen({ model, load, queue }) {
      const server = await createServer({ models: [model], load, queue, preload: true });
      const { url } = await listen(server, { port: 0, adminPort: 0 });
      return url;
    },
  };
});

// A server whose model takes a known time and none of the processor's: what is measured of it is the server itself.
// Started by serve-overload.mjs; prints its addresses as t2i serve does, and ends on SIGTERM.
//
//   node benchmarks/paced-server.mjs MODEL MILLISECONDS QUEUE
import { setTimeout as later } from 'node:timers/promises';
import { Pipeline } from '../dist/index.js';
import { createServer, listen } from '../dist/server/index.js';

const [model, milliseconds, queue] = process.argv.slice(2);
const drawn = await Pipeline.load({ model });
const { images, ...done } = await drawn.generate({ prompt: 'a red apple', seed: 7, steps: 1 });
const paced = {
  model: drawn.model,
  backend: drawn.backend,
  async *stream({ seeds, signal }) {
    for (const [index] of seeds.entries()) {
      await later(Number(milliseconds), undefined, { signal });
      yield { type: 'image', index, image: images[0] };
    }
    yield { type: 'done', ...done };
  },
};
await drawn.close();
const server = await createServer({ models: [{ id: 'paced', pipeline: paced }], queue: Number(queue), batchImages: 1 });
const { url, adminUrl, close } = await listen(server, { port: 0, adminPort: 0 });
console.log(JSON.stringify({ url, adminUrl }));
process.once('SIGTERM', async () => {
  await server.drain(25_000);
  await close();
  await server.close();
});

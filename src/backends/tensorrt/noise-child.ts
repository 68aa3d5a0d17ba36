/** Entry of the thread that draws noise beside a session: see noise-thread.ts. */
import { parentPort } from 'node:worker_threads';
import { drawNoise, type NoiseOrder } from './shared-noise.js';

parentPort?.on('message', (order: NoiseOrder) => {
  drawNoise(order);
  parentPort?.postMessage(null);
});

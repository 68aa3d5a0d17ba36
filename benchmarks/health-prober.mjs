// A thread of serve-overload.mjs that asks a server for its health without pause, so that what the benchmark's own clients keep its
// main thread busy with is not counted. Posts the milliseconds of each answer when it is told to stop.
import { parentPort, workerData } from 'node:worker_threads';

const times = [];
let running = true;
parentPort.once('message', () => {
  running = false;
});
while (running) {
  const start = performance.now();
  await (await fetch(`${workerData}/healthz`)).text();
  times.push(performance.now() - start);
}
parentPort.postMessage(times);

// How t2i serve behaves when more is asked of it than it can do: many connections that ask without pause, a short queue.
// Prints JSON: how long requests took that were carried out and that were refused, and how long the health check took meanwhile.
//
//   node benchmarks/serve-overload.mjs [--model DIR] [--connections 200] [--seconds 10] [--queue 8] [--steps 20] [--paced MS]
//
// With --paced an image takes so many milliseconds and none of the processor's, which the clients here take from a real model.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import autocannon from 'autocannon';
import { quantile } from '../dist/bench/statistics.js';
import { describeMachine } from '../dist/pipeline/machine.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'emoji-128' },
    connections: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '10' },
    queue: { type: 'string', default: '8' },
    steps: { type: 'string', default: '20' },
    paced: { type: 'string' },
  },
});
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const serve =
  flags.paced === undefined
    ? [
        ...[at('../bin/t2i.mjs'), 'serve', '--port', '0', '--admin-port', '0', '--json'],
        ...['--model', flags.model, '--queue', flags.queue],
      ]
    : [at('paced-server.mjs'), flags.model, flags.paced, flags.queue];
const child = spawn(process.execPath, serve, { stdio: ['ignore', 'pipe', 'ignore'] });
const [line] = await once(createInterface({ input: child.stdout }), 'line');
const { url, adminUrl } = JSON.parse(line);

const request = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ prompt: 'a red apple', seed: 7, steps: Number(flags.steps) }),
};
const PATH = '/v1/images/generations';
/** Bytes of the server's memory that are no file's, on Linux; null elsewhere. */
const residentBytes = () => {
  try {
    return Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;
  } catch {
    return null;
  }
};

/** Milliseconds of one image that nobody else is in the way of: the second one, when everything is warm. */
async function timeOfOne() {
  let time = 0;
  for (let round = 0; round < 2; round++) {
    const start = performance.now();
    await (await fetch(`${url}${PATH}`, request)).text();
    time = performance.now() - start;
  }
  return time;
}

const serviceMs = await timeOfOne();
const before = residentBytes();
const times = { 200: [], 429: [], other: [] };
const run = autocannon({
  ...{ url: `${url}${PATH}`, connections: Number(flags.connections), duration: Number(flags.seconds), timeout: 600 },
  ...request,
});
run.on('response', (_client, status, _bytes, ms) => (times[status] ?? times.other).push(ms));
const prober = new Worker(new URL('health-prober.mjs', import.meta.url), { workerData: adminUrl });
const { errors } = await run;
prober.postMessage('stop');
const [health] = await once(prober, 'message');
const growth = before === null ? null : residentBytes() - before;
child.kill('SIGTERM');
await once(child, 'exit');

const told = (list) =>
  list.length === 0 ? { count: 0 } : { count: list.length, p50: quantile(list, 0.5), p99: quantile(list, 0.99) };
console.log(
  JSON.stringify({
    machine: describeMachine(),
    ...{
      connections: Number(flags.connections),
      queue: Number(flags.queue),
      paced: flags.paced !== undefined,
      serviceMs,
    },
    carriedOutMs: told(times[200]),
    refusedMs: told(times[429]),
    healthMs: told(health),
    failed: times.other.length + errors,
    memoryGrowth: growth,
  }),
);

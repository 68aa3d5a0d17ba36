/** Repeats one thing in a process of its own: `node --expose-gc memory.mjs <what> <times>`; prints the resident set in bytes at tenths. */
import { setImmediate } from 'node:timers/promises';
import { addon, openTiny, sessionOptions, tinyJob } from './tiny-native.mjs';

const [what, times] = [process.argv[2], Number(process.argv[3])];
const options = await sessionOptions();
const shared = await openTiny();
const job = tinyJob({ steps: 2, side: 8 });

const THINGS = {
  sessions: async () => (await addon.Session.open(options)).close(),
  'failed opens': () => addon.Session.open({ ...options, device: 9 }).catch(() => {}),
  'forgotten sessions': () => addon.Session.open(options),
  jobs: () => shared.generate(job, new AbortController().signal, () => {}),
  'aborted jobs': () => {
    const controller = new AbortController();
    const result = shared.generate(job, controller.signal, null).catch(() => {});
    controller.abort();
    return result;
  },
};

const resident = [];
for (let tenth = 0; tenth < 10; tenth++) {
  for (let i = 0; i < times / 10; i++) {
    await THINGS[what]();
    // A promise alone does not let the loop close handles, and forgotten sessions are freed by the collector alone.
    if (i % 100 === 99) {
      globalThis.gc();
      await setImmediate();
    }
  }
  resident.push(process.memoryUsage.rss());
}
globalThis.gc();
for (let i = 0; i < 100; i++) await setImmediate();
await shared.close();
console.log(JSON.stringify({ resident, live: addon.sim.live() }));

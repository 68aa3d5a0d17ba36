/** Repeats one thing in a process of its own: `node --expose-gc memory.mjs <what> <times>`; prints at tenths the bytes from malloc. */
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

/** Once finalisers ran and handles closed, which takes turns of the loop. */
async function settle() {
  for (let i = 0; i < 20; i++) {
    globalThis.gc();
    await setImmediate();
  }
}

const allocated = [];
for (let tenth = 0; tenth < 10; tenth++) {
  for (let i = 0; i < times / 10; i++) {
    await THINGS[what]();
    // A promise alone does not let the loop close handles.
    if (i % 50 === 49) {
      globalThis.gc();
      await setImmediate();
    }
  }
  await settle();
  allocated.push(addon.sim.allocated());
}
await shared.close();
await settle();
console.log(JSON.stringify({ allocated, live: addon.sim.live() }));

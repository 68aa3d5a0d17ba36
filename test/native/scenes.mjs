/**
 * Ways in which a process or a worker thread ends while native work is under way: `node scenes.mjs <scene>`, or a Worker with the scene as
 * workerData. Writes `ready` when the work runs.
 */
import { writeSync } from 'node:fs';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { addon, buildOptions, openTiny, sessionOptions, tinyJob } from './tiny-native.mjs';

/** Would run for many seconds. */
const LONG = { steps: 60_000 };

/** @param {string} line written at once: what follows may end the process */
function say(line) {
  if (isMainThread) writeSync(1, `${line}\n`);
  else parentPort?.postMessage(line);
}

/** Calls `then` at the first step of a long job; more jobs wait behind it. */
async function inRun(then) {
  const session = await openTiny();
  let ran = false;
  const watch = () => {
    if (ran) return;
    ran = true;
    say('ready');
    setImmediate(then);
  };
  await Promise.all([
    session.generate(tinyJob(LONG), new AbortController().signal, watch),
    session.generate(tinyJob(), null, null),
  ]);
  say('done');
}

const SCENES = {
  /** Nothing keeps an idle session's process alive. */
  idle: async () => {
    await openTiny();
    say('ready');
  },
  /** A job under way does, though nobody waits for its promise. */
  busy: async () => {
    const session = await openTiny();
    session.generate(tinyJob({ steps: 300 }), null, null).then(() => say('done'));
    say('ready');
  },
  /** So does a close that somebody waits for. */
  closing: async () => {
    const session = await openTiny();
    session.close().then(() => say('done'));
    say('ready');
  },
  run: () => inRun(() => {}),
  exit: () =>
    inRun(() => {
      if (isMainThread) process.on('exit', () => say(`${addon.sim.live()} left`));
      process.exit(7);
    }),
  'exit-in-listener': async () => {
    const session = await openTiny();
    await session.generate(tinyJob(LONG), null, () => process.exit(7));
  },
  /** Calls of a session whose thread was stopped by the same event. */
  'exit-and-on': async () => {
    const session = await openTiny();
    process.on('exit', () => {
      session.generate(tinyJob(), null, null).catch(() => {});
      session.close();
      say('done');
    });
    await session.generate(tinyJob(LONG), null, () => process.exit(7));
  },
  'exit-in-open': async () => {
    const options = await sessionOptions();
    for (let i = 0; i < 8; i++) addon.Session.open(options);
    say('ready');
    process.exit(7);
  },
  /** Sessions that read their engines all the time. */
  opening: async () => {
    const options = await sessionOptions();
    say('ready');
    for (;;) {
      const sessions = await Promise.all(Array.from({ length: 16 }, () => addon.Session.open(options)));
      await Promise.all(sessions.map((session) => session.close()));
    }
  },
  'exit-in-build': async () => {
    process.env.T2I_FAKE_TENSORRT = 'slow-build';
    let told = false;
    await addon.buildEngine(buildOptions('unet'), null, () => {
      if (!told) setImmediate(() => process.exit(7));
      told = true;
      say('ready');
    });
  },
  throw: () =>
    inRun(() => {
      throw new Error('uncaught on purpose');
    }),
  /** JavaScript that never returns, called by the worker's channel. */
  'hang-in-listener': async () => {
    const session = await openTiny();
    await session.generate(tinyJob(LONG), null, () => {
      say('ready');
      for (;;);
    });
  },
  images: async () => {
    const session = await openTiny();
    const { images } = await session.generate(tinyJob({ seed: 11 }), null, null);
    say(Buffer.from(images[0].rgb).toString('base64'));
    await session.close();
  },
};

await SCENES[isMainThread ? process.argv[2] : workerData]();

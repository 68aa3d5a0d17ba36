// The thread of kept-thread.mjs. Vitest starts and stops it once a run; what it listens with goes when it is started anew.
import { parentPort } from 'node:worker_threads';
import { init, runBaseTests, setupEnvironment } from 'vitest/worker';

/** The first listener gets the requests, the second the answers to calls; each start brings a second one. */
const listeners = [];
init({
  post: (message) => parentPort.postMessage(message),
  on: (listener) => {
    if (listeners.length > 1) parentPort.off('message', listeners.pop());
    listeners.push(listener);
    parentPort.on('message', listener);
  },
  off: (listener) => parentPort.off('message', listener),
  runTests: (state, traces) => runBaseTests('run', state, traces),
  collectTests: (state, traces) => runBaseTests('collect', state, traces),
  setup: setupEnvironment,
});

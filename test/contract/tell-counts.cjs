// Loaded into a child by NODE_OPTIONS: every answer to a call is sent when the file T2I_TEST_COUNTS says what the device was given since the start.
const { writeFileSync } = require('node:fs');
const { simCounts } = require('../support/sim-counts.cjs');

const send = process.send?.bind(process);
if (send && process.env.T2I_TEST_COUNTS) {
  process.send = (reply, ...rest) => {
    if (reply.type === 'done') {
      const { sim } = require(process.env.T2I_ADDON);
      writeFileSync(process.env.T2I_TEST_COUNTS, JSON.stringify(simCounts(sim)));
    }
    return send(reply, ...rest);
  };
}

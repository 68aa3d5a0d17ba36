// Loaded into the child by NODE_OPTIONS: collects garbage on SIGUSR2, so that what is measured afterwards is in use.
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
process.on('SIGUSR2', () => collect());

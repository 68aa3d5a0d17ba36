// Loaded into the child by NODE_OPTIONS: collects garbage on SIGUSR2, so that what is measured afterwards is in use. Writes how many
// bytes V8 then holds, in its heap and for arrays outside of it, to the file T2I_MEMORY_FILE, where that is set.
const { renameSync, writeFileSync } = require('node:fs');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const file = process.env.T2I_MEMORY_FILE;

process.on('SIGUSR2', () => {
  collect();
  if (!file) return;
  // The memory of arrays is freed by the collection after the one that finds them.
  collect();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, String(heapUsed + external));
  renameSync(`${file}.new`, file);
});

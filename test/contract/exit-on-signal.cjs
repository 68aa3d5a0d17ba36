// Loaded into a child by NODE_OPTIONS: ends it with an exit code of its own, as a runtime does that calls exit().
process.on('SIGUSR2', () => process.exit(7));

// Loaded into a child by NODE_OPTIONS: on SIGUSR2 the simulated device fails the next call and every one after it.
process.on('SIGUSR2', () => require(process.env.T2I_ADDON).sim.failCall(1, 'sticky'));

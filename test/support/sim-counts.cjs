/**
 * What the simulated device was given.
 *
 * @param {{ callsOf: (name: string) => number }} sim
 */
exports.simCounts = ({ callsOf }) => {
  const captures = callsOf('end_capture');
  // A capture queues a step that does not run.
  const steps = callsOf('launch') + callsOf('launch_step') - captures;
  return { steps, captures, decodings: callsOf('launch_rgb') };
};

import { type Command, JSON_FLAG } from '../command.js';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Show what can run here, and how to fix the rest.',
  arguments: [],
  flags: [
    {
      flags: '--gpu',
      description:
        'also check that the GPU computes what the processor does: kernel, engine, captured step, image; and time a step (takes a minute more)',
    },
    JSON_FLAG,
  ],
  examples: ['t2i doctor', 't2i doctor --gpu', 't2i doctor --json'],
  async run(input, io) {
    const { runDoctor } = await import('./run-doctor.js');
    return runDoctor(input, io);
  },
};

import { type Flag, JSON_FLAG } from './command.js';

/** Flags of every command that runs a stage of the trainer. */
export const STAGE_FLAGS: readonly Flag[] = [
  {
    flags: '--python <path>',
    description: "an interpreter with the trainer's packages (default: an environment of its own, fetched once, 6 GB)",
  },
  JSON_FLAG,
];

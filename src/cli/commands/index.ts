import { bench } from '../bench/bench.js';
import type { Command } from '../command.js';
import { completion } from '../completion/command.js';
import { config } from '../config/command.js';
import { buildEngine } from './build-engine.js';
import { doctor } from './doctor.js';
import { engines } from './engines.js';
import { generate } from './generate.js';
import { inspect } from './inspect.js';
import { verify } from './verify.js';

/** Every command, in the order that help and the reference show. A new one is one file and one line here. */
export const COMMANDS: readonly Command[] = [
  generate,
  verify,
  inspect,
  config,
  buildEngine,
  engines,
  bench,
  doctor,
  completion,
];

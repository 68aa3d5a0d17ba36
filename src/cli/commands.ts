import { bench } from './bench/command.js';
import { buildEngine } from './build-engine/command.js';
import type { Command } from './command.js';
import { completion } from './completion/command.js';
import { config } from './config/command.js';
import { data } from './data/command.js';
import { doctor } from './doctor/command.js';
import { engines } from './engines/command.js';
import { evaluate } from './evaluate/command.js';
import { exportModel } from './export/command.js';
import { generate } from './generate/command.js';
import { history } from './history/command.js';
import { init } from './init/command.js';
import { inspect } from './inspect/command.js';
import { jobs } from './jobs/command.js';
import { model } from './model/command.js';
import { models } from './models/command.js';
import { params } from './params/command.js';
import { pipeline } from './pipeline/command.js';
import { promote } from './promote/command.js';
import { publish } from './publish/command.js';
import { pull } from './pull/command.js';
import { rollback } from './rollback/command.js';
import { serve } from './serve/command.js';
import { train } from './train/command.js';
import { trainVae } from './train-vae/command.js';
import { verify } from './verify/command.js';
import { worker } from './worker/command.js';

/** Every command, in the order that help and the reference show. A new one is one file and one line here. */
export const COMMANDS: readonly Command[] = [
  generate,
  verify,
  inspect,
  pull,
  models,
  serve,
  worker,
  config,
  buildEngine,
  engines,
  bench,
  init,
  params,
  data,
  pipeline,
  train,
  trainVae,
  jobs,
  promote,
  history,
  rollback,
  evaluate,
  exportModel,
  publish,
  model,
  doctor,
  completion,
];

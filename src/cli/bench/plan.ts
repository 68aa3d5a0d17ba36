import { T2IError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import { type LoadOptions, parseLoadOptions, parseRequest, type Request, type RequestOptions } from '../../options.js';
import { limitsOf } from '../../pipeline/limits.js';
import type { CommandInput } from '../command.js';
import { readFlags } from '../generate/flags.js';
import { attempt, issuesOf } from '../generate/tasks.js';
import type { Io } from '../io.js';
import { readModel } from '../read-model.js';
import { type BenchFlags, readBenchFlags } from './flags.js';

const PROMPT = { prompt: 'a red apple on a blue background', seed: 7 } as const;
/** What diffusers is made to run, whatever the model's own sampler is. */
const COMPARED_SAMPLER = 'ddim';

/** A benchmark, every flag checked. */
export interface BenchPlan extends BenchFlags {
  readonly model: ModelDescription;
  /** Its `model` is the directory. */
  readonly load: LoadOptions;
  readonly options: RequestOptions;
  readonly request: Request;
}

/**
 * Reads the flags and checks them against the model, before anything is opened.
 *
 * @throws T2IError OPTION_INVALID with every mistake in `issues`; MODEL_NOT_FOUND, MODEL_INVALID
 */
export async function planBench(input: CommandInput, io: Io): Promise<BenchPlan> {
  const { issues: own, ...flags } = readBenchFlags(input.flags);
  const generate = readFlags(input);
  const { backend: _, ...load } = generate.load;
  const model = await readModel(load.model, io);
  const options: RequestOptions = {
    ...PROMPT,
    ...generate.request,
    ...(flags.against && { sampler: COMPARED_SAMPLER }),
  };
  const request = attempt(() => parseRequest(options, limitsOf(model)));
  const opening = attempt(() => parseLoadOptions(load));
  const issues = [...own, ...generate.issues, ...issuesOf(request), ...issuesOf(opening)];
  if ('issues' in request || issues.length > 0) {
    throw new T2IError('OPTION_INVALID', 'Invalid bench options', { issues });
  }
  return { ...flags, model, load: { ...load, model: model.dir }, options, request };
}

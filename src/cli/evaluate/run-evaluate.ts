import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { describeValue, refuse } from '../../fields.js';
import { readParams } from '../../ops/params/read.js';
import { earlierReports, keepReport } from '../../ops/promotion/reports.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { runProjectStage } from '../run-project-stage.js';

/** The handler of `t2i evaluate`. */
export async function runEvaluate(input: CommandInput, io: Io): Promise<number> {
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const accept = input.flags.accept as string | undefined;
  if (accept?.trim() === '')
    refuse([{ option: '--accept', expected: 'why a lower number is accepted', received: describeValue(accept) }]);
  const place = { project, folder: join(project, params.log_trained_model.diffuser_dir) };
  const { before, kept } = await earlierReports(place);
  const given = { before, kept, accept };
  const options = Object.entries(given).flatMap(([name, value]) => (value ? [`--${name}=${value}`] : []));
  try {
    const result = await runProjectStage({ stage: 'evaluate_model', options }, input, io);
    await keepReport(place);
    return tellResult(result, input, io);
  } catch (error) {
    // The report is written, and says so.
    if (T2IError.is(error) && error.code === 'EVALUATION_WORSE') await keepReport(place);
    throw error;
  }
}

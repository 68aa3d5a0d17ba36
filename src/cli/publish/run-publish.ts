import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { readParams } from '../../ops/params/read.js';
import { pushFolders } from '../../ops/transfer/push-folders.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { printJson } from '../output.js';
import { printResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { StatusLine } from '../status-line.js';
import { writeReport } from '../write-report.js';

/** The handler of `t2i publish`. */
export async function runPublish({ flags }: CommandInput, io: Io): Promise<number> {
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const model = params.log_trained_model.diffuser_dir;
  await access(join(project, model, 'onnx_models', 't2i.json')).catch((cause: unknown) => {
    throw new T2IError('MODEL_NOT_FOUND', `There is no exported model in ${join(project, model)}`, {
      hint: 'Export it first: t2i export',
      cause,
    });
  });
  const status = new StatusLine(io);
  try {
    const target = (flags.to as string | undefined) ?? join(params.data.remote, 'models', params.export.name);
    const report = await pushFolders(project, [model], target, io.signal, ({ done, total }) =>
      status.show(`model ${done}/${total} files`),
    );
    const { copied: _, ...result } = report;
    await writeReport(project, 'push_completion', result);
    status.clear();
    if (flags.json === true) printJson(io, report);
    else printResult(io, report);
    return EXIT.ok;
  } finally {
    status.clear();
  }
}

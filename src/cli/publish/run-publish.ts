import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { T2IError } from '../../errors.js';
import { readParams } from '../../ops/params/read.js';
import type { CommandInput } from '../command.js';
import type { Io } from '../io.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';
import { pushWithReport } from '../push-with-report.js';

/** The handler of `t2i publish`. */
export async function runPublish(input: CommandInput, io: Io): Promise<number> {
  const { flags } = input;
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const model = params.log_trained_model.diffuser_dir;
  await access(join(project, model, 'onnx_models', 't2i.json')).catch((cause: unknown) => {
    throw new T2IError('MODEL_NOT_FOUND', `There is no exported model in ${join(project, model)}`, {
      hint: 'Export it first: t2i export',
      cause,
    });
  });
  const to = flags.to as string | undefined;
  const target = to ?? `${params.data.remote.replace(/\/+$/, '')}/models/${params.export.name}`;
  const option = to === undefined ? 'data.remote' : '--to';
  const push = { folders: [model], target, option, format: 'files', what: 'model', name: 'push_completion' } as const;
  return tellResult(await pushWithReport(project, push, io), input, io);
}

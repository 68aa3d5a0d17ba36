import { once } from 'node:events';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { note, printJson } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { withLocalService } from './local-service.js';

/** Runs SageMaker's stand-in until the program is ended. */
export async function serveJobs(port: number, { flags }: CommandInput, io: Io): Promise<number> {
  const python = flags.python as string | undefined;
  await withLocalService(projectFolder(io), port, python, io, async (url) => {
    if (flags.json === true) printJson(io, { url });
    else io.stdout.write(`${url}\n`);
    note(io, `AWS_ENDPOINT_URL_SAGEMAKER=${url} sends training jobs to this machine; Ctrl-C stops them and ends`);
    if (!io.signal.aborted) await once(io.signal, 'abort');
  });
  io.signal.throwIfAborted();
  return EXIT.ok;
}

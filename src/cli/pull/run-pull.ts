import { pullModel } from '../../hub/pull.js';
import { parseReference } from '../../hub/repo-name.js';
import { projectHub } from '../../ops/hub/project-hub.js';
import type { CommandInput } from '../command.js';
import { DownloadStatus } from '../download-status.js';
import type { Io } from '../io.js';
import { tellResult } from '../print-result.js';
import { projectFolder } from '../project-folder.js';

/** The handler of `t2i pull`. */
export async function runPull(input: CommandInput, io: Io): Promise<number> {
  const reference = parseReference(input.args[0] ?? '', 'model');
  const status = new DownloadStatus(io, reference.repo);
  try {
    const { signal } = io;
    const hub = await projectHub(projectFolder(io), io.env);
    return tellResult(await pullModel(reference, { hub, signal, verify: true, onProgress: status.update }), input, io);
  } finally {
    status.clear();
  }
}
